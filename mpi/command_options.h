#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "kernels/thread_pool.h"
#include "mpi/machine.h"
#include "schedule/nearest.h"
#include "worker/engine.h"
#include "worker/model.h"
#include "worker/recipe.h"
#include "worker/tokenizer.h"

// Options that several commands on one model share.
namespace brinkmap::mpi {

struct ModelOptions {
  std::string model;
  std::string recipe = "as-is";
  std::string activations = "q8";
  int threads = 0;
  schedule::CalibrationSpec calibration;

  int pool_size() const { return threads > 0 ? threads : default_threads(1); }

  worker::EngineOptions engine_options() const {
    worker::EngineOptions o;
    o.activations =
        activations == "f32" ? kernels::ActivationBatch::Kind::kF32 : kernels::ActivationBatch::Kind::kQ8;
    return o;
  }

  std::shared_ptr<const worker::Model> load(kernels::ThreadPool& pool) const {
    check_recipe(recipe, "--recipe");
    this_machine("");  // refuses a BRINKMAP_ISA that the CPU lacks and pins BLAS
    return worker::load_model(make_row(worker::Checkpoint::open(model), recipe, calibration, pool));
  }

  static worker::RowWeights make_row(std::shared_ptr<const worker::Checkpoint> file,
                                     const std::string& recipe, const schedule::CalibrationSpec& calibration,
                                     kernels::ThreadPool& pool) {
    worker::Calibration tokens;
    if (worker::needs_calibration(recipe) && !calibration.file.empty())
      tokens = worker::read_calibration(calibration, *worker::Tokenizer::from_gguf(*file));
    return worker::make_row(std::move(file), recipe, pool, tokens);
  }

  static void check_recipe(const std::string& recipe, const std::string& option) {
    if (!worker::is_recipe(recipe))
      throw InputError(option, "", schedule::unknown_name("recipe", recipe, worker::recipe_names()));
  }
};

inline void add_calibration_options(CLI::App& command, schedule::CalibrationSpec& calibration) {
  command.add_option("--calibration", calibration.file, "text for recipes that need it (awq-*, gptq-*)");
  command.add_option("--calibration-sequences", calibration.sequences, "pieces of the text that are used")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_option("--calibration-length", calibration.length, "tokens of a piece")
      ->check(CLI::Range(8, 8192))
      ->capture_default_str();
}

inline void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("MODEL", options.model, "GGUF file or Hugging Face folder")->required();
  command.add_option("--recipe", options.recipe, "quantize in memory first; default: the file's own formats");
  command.add_option("--activations", options.activations, "how activations enter quantized products")
      ->check(CLI::IsMember({"q8", "f32"}))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "default: all cores")->check(CLI::Range(1, 4096));
  add_calibration_options(command, options.calibration);
}

}  // namespace brinkmap::mpi
