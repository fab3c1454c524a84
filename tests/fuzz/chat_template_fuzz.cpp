#include <cstddef>
#include <cstdint>
#include <string_view>

#include "schedule/error.h"
#include "worker/jinja_eval.h"
#include "worker/jinja_parser.h"

// libFuzzer target: whatever the template, rendering it ends, with a text or with a TemplateError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace brinkmap::worker::jinja;
  static const Dict variables = [] {
    const auto message = [](const char* role, const char* content) {
      return make_dict({{"role", Value(role)}, {"content", Value(content)}}, 1);
    };
    Dict d;
    d.entries = {{"messages", make_list({message("system", " s "), message("user", "u\n")}, 1)},
                 {"tools", Value(None{})},
                 {"add_generation_prompt", Value(true)},
                 {"bos_token", Value("<s>")}};
    return d;
  }();
  try {
    render(*parse({reinterpret_cast<const char*>(data), size}), variables);
  } catch (const brinkmap::Error&) {
  }
  return 0;
}
