#pragma once

#include <nlohmann/json.hpp>

#include "audit/gate.h"

namespace brinkmap::audit {

// {"row", "verdict", "reason", "checks": [{"item", "check", "verdict", "value", "limit", "upper_limit",
// "n", "missing", "reason"}]}; unknown values are null. Internal to the reports.
nlohmann::ordered_json verdict_json(const RowVerdict& verdict);

}  // namespace brinkmap::audit
