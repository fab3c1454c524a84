#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "mpi/commands.h"
#include "mpi/facts_text.h"
#include "mpi/machine.h"
#include "mpi/prepare.h"
#include "mpi/schema.h"
#include "schedule/job_file.h"
#include "schedule/simulate.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;

json describe(const schedule::Plan& plan, int ranks) {
  const schedule::Simulation simulation = schedule::simulate(plan, ranks);
  const PlannedBytes planned = planned_bytes(plan);
  double largest = 0;
  for (const schedule::Unit& u : plan.units) largest = std::max(largest, u.cost);
  json j{{"job", plan.job.name},
         {"job_hash", plan.job_hash},
         {"searches", !plan.job.search.formats.empty()},
         {"rows", json::array()},
         {"units", plan.units.size()},
         {"result_bytes", planned.all},
         {"state_bytes", planned.bulk},
         {"states", json::array()},
         {"estimated_core_seconds", simulation.cost},
         {"largest_unit_seconds", largest},
         {"ranks", ranks},
         {"estimated_seconds", simulation.seconds},
         {"per_rank", json::array()}};
  for (const PlannedBytes::Part& part : planned.parts)
    j["states"].push_back(
        {{"owner", part.owner}, {"variable", part.variable}, {"shape", part.shape}, {"bytes", part.bytes}});
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    const schedule::Row& row = plan.rows[r];
    std::size_t units = 0;
    double cost = 0;
    for (const schedule::Unit& u : plan.units)
      if (u.row == r) ++units, cost += u.cost;
    json entry{{"row", row.label}, {"units", units}, {"estimated_core_seconds", cost}, {"bytes", nullptr}};
    if (row.resolved != row.recipe) entry["resolved"] = row.resolved;
    const std::vector<std::string>& recipes = plan.job.models[row.model].recipes;
    const auto at = std::find(recipes.begin(), recipes.end(), row.recipe);
    if (row.model < plan.facts.recipe_bytes.size() && at != recipes.end())
      entry["bytes"] = plan.facts.recipe_bytes[row.model].at(static_cast<std::size_t>(at - recipes.begin()));
    j["rows"].push_back(entry);
  }
  for (const schedule::SimulatedRank& rank : simulation.ranks)
    j["per_rank"].push_back({{"busy_seconds", rank.busy},
                             {"quantizing_seconds", rank.taking_rows},
                             {"units", rank.units},
                             {"rows", rank.rows},
                             {"bytes", rank.bytes}});
  return j;
}

void print(const json& j) {
  fmt::print(
      "job {}: {} rows, {} units, {:.1f} MB of results, {:.1f} MB of them states, logits and head "
      "weights\n",
      j["job"].get<std::string>(), j["rows"].size(), j["units"].get<std::size_t>(),
      static_cast<double>(j["result_bytes"].get<std::uint64_t>()) / 1e6,
      static_cast<double>(j["state_bytes"].get<std::uint64_t>()) / 1e6);
  fmt::print("estimated: {:.1f} core seconds, largest unit {:.2f} s; {:.1f} s on {} ranks of one core\n\n",
             j["estimated_core_seconds"].get<double>(), j["largest_unit_seconds"].get<double>(),
             j["estimated_seconds"].get<double>(), j["ranks"].get<int>());
  if (j["searches"].get<bool>())
    fmt::print("planned are only the rows that the models name: `brinkmap search` adds rows of its own\n\n");
  fmt::print("{:<40} {:>6} {:>12} {:>10}\n", "row", "units", "core s", "MB");
  for (const json& row : j["rows"])
    fmt::print("{:<40} {:>6} {:>12.1f} {:>10}\n", row["row"].get<std::string>(),
               row["units"].get<std::size_t>(), row["estimated_core_seconds"].get<double>(),
               row["bytes"].is_null()
                   ? std::string("-")
                   : fmt::format("{:.1f}", static_cast<double>(row["bytes"].get<std::uint64_t>()) / 1e6));
  if (!j["states"].empty())
    fmt::print("\n{:<16} {:<28} {:<34} {:>10}\n", "states kept by", "variable", "shape", "MB");
  for (const json& part : j["states"])
    fmt::print("{:<16} {:<28} {:<34} {:>10.1f}\n", part["owner"].get<std::string>(),
               part["variable"].get<std::string>(), part["shape"].get<std::string>(),
               static_cast<double>(part["bytes"].get<std::uint64_t>()) / 1e6);
  fmt::print("\n{:<6} {:>10} {:>14} {:>6} {:>6} {:>10}\n", "rank", "busy s", "quantizing s", "units", "rows",
             "MB");
  int r = 0;
  for (const json& rank : j["per_rank"])
    fmt::print("{:<6} {:>10.1f} {:>14.1f} {:>6} {:>6} {:>10.1f}\n", r++, rank["busy_seconds"].get<double>(),
               rank["quantizing_seconds"].get<double>(), rank["units"].get<std::size_t>(),
               rank["rows"].get<std::size_t>(),
               static_cast<double>(rank["bytes"].get<std::uint64_t>()) / 1e6);
}

}  // namespace

void add_plan(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string job;
    int ranks = 0;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("plan", "Rows, units, bytes and estimated times; computes nothing");
  command->add_option("JOB", o->job, "job file (YAML)")->required();
  command->add_option("--ranks", o->ranks, "simulate so many ranks; default: the cores here")
      ->check(CLI::Range(1, 100'000));
  command->add_flag("--json", o->json, "as JSON");
  command->footer("Example:\n  brinkmap plan jobs/first.yaml --ranks 64");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const json j =
          describe(prepare(schedule::read_job(o->job)).plan, o->ranks > 0 ? o->ranks : default_threads(1));
      if (o->json) {
        fmt::print("{}\n", j.dump(2));
      } else {
        print(j);
      }
      return kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
