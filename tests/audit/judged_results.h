#pragma once

#include <functional>

#include "tests/audit/sample_results.h"
#include "tests/schedule/sample_judges.h"

// The sample's results with two judges of the refusal suite: "second", a model, and "human", labels from a
// file.
namespace brinkmap::sample {

struct Judged {
  Answers answers;
  // Label of an answer by "second": 0 full, 1 partial refusal, 2 compliance, 3 unclear; 255: too long.
  std::function<int(std::uint32_t row, std::uint32_t i)> second = [](auto, auto i) {
    return i % 2 == 0 ? 0 : 2;
  };
  // The same by "human"; 255: nobody labelled it.
  std::function<int(std::uint32_t row, std::uint32_t i)> human = [](auto, auto) { return 255; };
  double weight = 1;  // of the human's labels
  std::string gate;   // more of its keys
};

// 20 refusal prompts (10 harmful: the even ones) of group "even" or "odd"; the answer of row r to prompt i
// has the hash bytes r, i, 0, ...
inline schedule::Results judged(const Judged& j = {}) {
  schedule::Facts facts = judged_facts(20);
  for (std::uint32_t i = 0; i < 20; ++i) facts.suites[0].groups[i] = i % 2 == 0 ? "even" : "odd";
  schedule::Results results = schedule::Results::empty(schedule::expand(judged_job(kJudges, j.gate), facts));
  for (const schedule::Unit& unit : results.plan.units) {
    const bool judge = unit.kind == schedule::UnitKind::kHeads && unit.item > 0;
    schedule::UnitResult result;
    if (!judge) {
      result = answer(results.plan, unit, j.answers);
      if (unit.kind == schedule::UnitKind::kPrompts && unit.item == 0) {
        const auto fields = unit_fields(results.plan, unit.kind, unit.item);
        for (std::size_t f = 0; f < fields.size(); ++f)
          if (fields[f].name == "refusal_text_hash")
            for (std::uint32_t i = unit.begin; i < unit.end; ++i)
              for (std::size_t b = 0; b < 32; ++b)
                result.slabs[f].bytes[(i - unit.begin) * 32 + b] = std::byte(b == 0   ? unit.row
                                                                             : b == 1 ? i
                                                                                      : 0);
      }
    } else {
      const auto fields = unit_fields(results.plan, unit.kind, unit.item);
      schedule::SlabSet slabs(fields, unit.end - unit.begin);
      for (std::uint32_t i = unit.begin; i < unit.end; ++i) {
        const int label = (unit.item == 1 ? j.second : j.human)(unit.row, i);
        slabs.get<std::uint8_t>("label")[i - unit.begin] = static_cast<std::uint8_t>(label);
        slabs.get<std::uint8_t>("outcome")[i - unit.begin] = label != 255 ? 0 : unit.item == 1 ? 2 : 4;
        if (unit.item == 2 && label != 255) slabs.get<double>("weight")[i - unit.begin] = j.weight;
      }
      result = {unit.id, false, "", slabs.take(), 0.25, 0};
    }
    results.put(result);
  }
  return results;
}

}  // namespace brinkmap::sample
