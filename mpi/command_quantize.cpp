#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <vector>

#include "mpi/command_options.h"
#include "mpi/commands.h"
#include "worker/decoded.h"
#include "worker/hf_writer.h"

namespace brinkmap::mpi {

namespace {

// Refuses an output that would replace what it is made from: the model, a file of its folder, the text.
void check_output(const std::string& out, const std::string& model, const std::string& calibration) {
  namespace fs = std::filesystem;
  std::error_code not_there;
  std::vector<fs::path> sources{model, calibration};
  if (fs::is_directory(model, not_there))
    for (const fs::directory_entry& entry : fs::directory_iterator(model)) sources.push_back(entry.path());
  for (const fs::path& source : sources)
    if (fs::equivalent(source, out, not_there))
      throw InputError(
          out, "",
          "cannot be written, the new model is made from " + source.string() + ": choose another output");
}

}  // namespace

void add_quantize(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string model, recipe, out;
    int threads = 0;
    bool requantize = false;
    std::uint64_t seed = schedule::Job{}.seed;
    schedule::CalibrationSpec calibration;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("quantize", "Write a model in another recipe");
  command->add_option("MODEL", o->model, "GGUF file or Hugging Face folder, in its highest precision")
      ->required();
  command->add_option("--to", o->recipe, "recipe, e.g. q4_k_m, or a YAML file with one")->required();
  command
      ->add_option("-o,--output", o->out, "GGUF file to write; a folder for mlx, nf4, awq and gptq recipes")
      ->required();
  command->add_option("--threads", o->threads, "default: all cores")->check(CLI::Range(1, 4096));
  command->add_flag("--allow-requantize", o->requantize,
                    "take a file that is quantized already: decode it first");
  command->add_option("--seed", o->seed, "of hybrids that select at random")->capture_default_str();
  add_calibration_options(*command, o->calibration);
  command->footer(
      "Examples:\n  brinkmap quantize model.gguf --to q4_k_m -o model-q4_k_m.gguf\n"
      "  brinkmap quantize model-folder --to gptq-4-g128 --calibration text.txt -o model-gptq\n"
      "  brinkmap quantize model.gguf --to 'q2_k+q8_0(alpha,top,25%)' -o model-hybrid.gguf");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const std::string wanted = ModelOptions::read_recipe(o->recipe, "--to");
      check_output(o->out, o->model, o->calibration.file);
      this_machine("");
      kernels::ThreadPool pool(o->threads > 0 ? o->threads : default_threads(1));
      auto file = worker::Checkpoint::open(o->model);
      const bool folder = worker::is_written_as_folder(*file, wanted);
      if (folder) worker::check_new_folder(o->out);
      if (o->requantize && !worker::keeps_formats(wanted))
        file = worker::decode_checkpoint(std::move(file), pool);
      const std::string recipe = ModelOptions::resolve(*file, wanted, o->seed);
      const worker::RowWeights row = ModelOptions::make_row(std::move(file), recipe, o->calibration, pool);
      if (folder)
        worker::write_hf_folder(row, o->out);
      else
        worker::write_row(row, o->out);
      fmt::print("{}: {:.1f} MB of tensors, {:.2f} bits per weight\n", o->out,
                 static_cast<double>(row.bytes) / 1e6, row.bits_per_weight);
      return kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
