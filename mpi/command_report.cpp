#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "audit/html_page.h"
#include "audit/prompt_tables.h"
#include "audit/report.h"
#include "mpi/check_results.h"
#include "mpi/commands.h"
#include "mpi/read_text.h"
#include "mpi/terminal.h"

namespace brinkmap::mpi {

namespace {

std::vector<audit::PageFact> page_facts(const FileHead& head, const schedule::Plan& plan) {
  const Provenance& p = head.provenance;
  std::vector<audit::PageFact> out = {{"program", p.program_version, "@program_version"},
                                      {"command line", p.command_line, "@command_line"},
                                      {"machine", p.machine, "@machine"},
                                      {"instruction set", p.isa, "@isa"},
                                      {"BLAS core", p.blas_core, "@blas_core"},
                                      {"created", p.created, "@created"},
                                      {"job", head.job_path, "@job_path"},
                                      {"job hash", head.job_hash, "@job_hash"}};
  for (std::size_t m = 0; m < plan.job.models.size(); ++m)
    out.push_back({"weights of " + plan.job.models[m].id, plan.facts.models.at(m).sha256, "@weights_sha256"});
  for (std::size_t s = 0; s < plan.job.suites.size(); ++s)
    out.push_back({"suite " + plan.job.suites[s].id, plan.facts.suites.at(s).sha256, "@suite_sha256"});
  return out;
}

}  // namespace

void add_report(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string file, csv, json, html;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("report", "Tables of a result file");
  command->add_option("OUT", o->file, "result file (HDF5)")->required();
  command->add_option("--csv", o->csv, "write each table, and each suite's prompts, as CSV into this folder");
  command->add_option("--json", o->json, "write everything as JSON to this file; - for the terminal");
  command->add_option("--html", o->html, "write one page with tables and pictures to this file");
  command->footer(
      "Examples:\n  brinkmap report first.h5\n  brinkmap report first.h5 --csv tables --json first.json\n"
      "  brinkmap report first.h5 --html first.html\n"
      "Exit code 2: the file is damaged, or its row values do not follow from its prompts.");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const auto [head, results] = read_checked(o->file);
      const audit::Report report = audit::make_report(results);
      if (o->json == "-") {
        fmt::print("{}\n", audit::to_json(report));
        return kExitDone;
      }
      fmt::print("{}", audit::to_text(report, colours_wanted()));
      if (!o->json.empty()) write_text(o->json, audit::to_json(report) + "\n");
      if (!o->html.empty())
        write_text(o->html, audit::to_html(report, results, page_facts(head, results.plan)));
      if (!o->csv.empty()) {
        std::error_code error;
        std::filesystem::create_directories(o->csv, error);
        if (error) throw InputError(o->csv, "", "cannot be created: " + error.message());
        for (const auto& [name, text] : audit::to_csv(report))
          write_text((std::filesystem::path(o->csv) / name).string(), text);
        for (std::uint32_t s = 0; s < results.plan.job.suites.size(); ++s) {
          const audit::Table table = audit::prompt_table(results, s);
          write_text((std::filesystem::path(o->csv) / (table.id + ".csv")).string(), audit::to_csv(table));
        }
      }
      return kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
