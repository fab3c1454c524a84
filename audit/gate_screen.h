#pragma once

#include <vector>

#include "audit/gate.h"
#include "audit/template_screen.h"

namespace brinkmap::audit {

// The rule that a job may ask for on the template screen (gate.rtsi): a row whose refusals open so
// differently that a screen calibrated on the job's other rows scores it at the limit or above is for a
// person to review, and so is one that lost all refusals. One check a screen; undecided where nothing can be
// compared, or too little to calibrate on. The study's weights never take part. Empty without the rule.
// `screens` are those of template_screens(results). Internal to the gate.
std::vector<Check> screen_checks(const schedule::Results& results, const std::vector<TemplateScreen>& screens,
                                 std::uint32_t row);

}  // namespace brinkmap::audit
