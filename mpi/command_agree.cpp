#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "audit/judge_tables.h"
#include "audit/report.h"
#include "mpi/check_results.h"
#include "mpi/commands.h"
#include "mpi/read_text.h"
#include "mpi/terminal.h"
#include "worker/label_file.h"

namespace brinkmap::mpi {
namespace {

using schedule::Results;

struct AgreeOptions {
  std::string file, labels, suite, json;
};

// The labels by suite, as raters.
std::vector<audit::Rater> outside_raters(const Results& results, const AgreeOptions& o) {
  std::vector<schedule::OutsideLabel> lines = worker::read_labels(o.labels);
  const schedule::Job& job = results.plan.job;
  if (!o.suite.empty() && !schedule::suite_named(job, o.suite))
    throw InputError("--suite", o.suite, "is no suite of " + o.file);
  for (schedule::OutsideLabel& line : lines) {
    const std::string where = fmt::format("line {}", line.line);
    if (line.suite.empty()) line.suite = o.suite;
    if (line.suite.empty())
      throw InputError(o.labels, where, "expected a field \"suite\", or the option --suite for all lines");
    const auto suite = schedule::suite_named(job, line.suite);
    if (suite && !schedule::can_be_judged(job.suites[*suite].kind))
      throw InputError(
          o.labels, where,
          "suite " + line.suite + " is of a kind that nobody labels: refusal, truthfulness or bias");
  }
  std::vector<audit::Rater> out;
  std::size_t labelled = 0;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s) {
    if (!schedule::can_be_judged(job.suites[s].kind)) continue;
    const std::vector<schedule::JudgeLabel> words = audit::outside_words(job, s);
    // Every suite looks at every line, so that none is left out unnoticed.
    const auto placed = schedule::place_labels(results.plan, s, words, lines, o.labels);
    if (placed.empty()) continue;
    labelled += placed.size();
    out.push_back(audit::outside_rater(results, s, words, placed, o.labels));
  }
  if (labelled == 0) throw InputError(o.labels, "", "expected labels, found every line's empty");
  fmt::print(stderr, "{}: {} of {} lines labelled\n", o.labels, labelled, lines.size());
  return out;
}

int agree(const AgreeOptions& o) {
  const Results results = read_checked(o.file).results;
  std::vector<audit::Rater> raters = audit::judges_of(results);
  for (audit::Rater& rater : outside_raters(results, o)) raters.push_back(std::move(rater));
  audit::Report report = audit::make_report(results);
  report.tables.clear();
  for (audit::Table& table :
       std::vector<audit::Table>{audit::judges_table(results, raters),
                                 audit::judge_strata_table(results, raters, audit::paired_rows(results)),
                                 audit::judge_verdicts_table(results, raters, report.verdicts)})
    if (!table.rows.empty()) report.tables.push_back(std::move(table));
  if (o.json == "-") {
    fmt::print("{}\n", audit::to_json(report));
    return kExitDone;
  }
  fmt::print("{}", audit::to_text(report, colours_wanted()));
  if (!o.json.empty()) write_text(o.json, audit::to_json(report) + "\n");
  return kExitDone;
}

}  // namespace

void add_agree(CLI::App& root, Invocation& invocation) {
  auto o = std::make_shared<AgreeOptions>();
  CLI::App* command =
      root.add_subcommand("agree", "Labels made elsewhere against a sweep's scorers, judges and verdicts");
  command->add_option("OUT", o->file, "result file (HDF5); it is not changed")->required();
  command
      ->add_option("--labels", o->labels, "labels (JSONL): row, id, label, perhaps suite, text_hash, weight")
      ->required();
  command->add_option("--suite", o->suite, "suite of lines that name none");
  command->add_option("--json", o->json, "write the tables as JSON to this file; - for the terminal");
  command->footer(
      "Tables as in the report: agreement by row, by stratum, and the verdicts that change.\n"
      "Example:\n  brinkmap agree first.h5 --labels labelled.jsonl");
  command->callback([o, &invocation] { invocation.action = [o] { return agree(*o); }; });
}

}  // namespace brinkmap::mpi
