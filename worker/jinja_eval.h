#pragma once

#include <string>

#include "worker/jinja_parser.h"

namespace brinkmap::worker::jinja {

// The text that the tree prints with these variables. Besides them a template finds raise_exception,
// namespace, range and dict; strftime_now, which transformers offers, is not there: a prompt that changes
// with the day would be no function of the job, and templates that use it have a fixed date to fall back on.
// Throws TemplateError: also when the template raises an exception of its own, and over Budget.
std::string render(const Node& body, const Dict& variables);

}  // namespace brinkmap::worker::jinja
