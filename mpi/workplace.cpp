#include "mpi/workplace.h"

#include <spdlog/spdlog.h>

#include "worker/state_slabs.h"

namespace brinkmap::mpi {

using schedule::Plan;

namespace {

// States that the file keeps in 16 bits as f32, the rest as it is.
ComputeThread::Inputs widened_inputs(const Plan& plan, const schedule::Unit& unit,
                                     const ComputeThread::Inputs& inputs) {
  ComputeThread::Inputs out;
  for (const schedule::Reading& reading : schedule::unit_readings(plan, unit)) {
    const auto v = static_cast<std::size_t>(schedule::find_variable(plan, reading.variable));
    const schedule::Slab& slab = inputs.at(out.size());
    out.push_back(plan.variables.at(v).field.dtype == schedule::DType::kF16 ? worker::widened(slab) : slab);
  }
  return out;
}

}  // namespace

Workplace open_workplace(const std::string& out, const Plan& plan, std::vector<worker::Suite> suites,
                         int threads, int rank) {
  Workplace w;
  w.store = std::make_unique<Store>(out, plan);
  std::vector<worker::UnitRunner::Row> rows;
  for (const schedule::Row& r : plan.rows)
    rows.push_back({static_cast<int>(r.model), r.resolved,
                    schedule::row_content(plan, static_cast<std::uint32_t>(rows.size())), r.label});
  w.runner = std::make_shared<worker::UnitRunner>(plan.job, std::move(suites), std::move(rows), threads,
                                                  plan.facts.judges);
  Store* store = w.store.get();
  w.tools.read_inputs = [store, &plan](const schedule::Unit& unit) {
    ComputeThread::Inputs inputs;
    for (const schedule::Reading& reading : schedule::unit_readings(plan, unit))
      inputs.push_back(store->read(reading));
    return inputs;
  };
  w.tools.compute = [runner = w.runner, &plan](const schedule::Unit& unit,
                                               const ComputeThread::Inputs& inputs) {
    const std::vector<schedule::Field> fields = schedule::unit_fields(plan, unit.kind, unit.item);
    std::vector<int> layers;
    schedule::TokenCapture tokens;
    if (unit.kind == schedule::UnitKind::kPrompts) {
      layers = schedule::capture_layers(plan, unit.item, unit.row);
      tokens = schedule::token_capture(plan, unit.item, unit.row);
    }
    return runner->run(unit, fields, layers, widened_inputs(plan, unit, inputs),
                       plan.facts.models[plan.rows[unit.row].model].width, tokens);
  };
  w.tools.write = [store, rank, &plan](const schedule::UnitResult& result) {
    if (result.failed)
      spdlog::warn("{}: unit {} failed: {}", plan.rows[plan.units[result.unit].row].label, result.unit,
                   result.reason);
    store->write_unit(result, rank);
    spdlog::debug("unit {} on disk after {:.2f} s", result.unit, result.seconds);
  };
  return w;
}

}  // namespace brinkmap::mpi
