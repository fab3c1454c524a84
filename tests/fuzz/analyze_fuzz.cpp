#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "audit/analysis.h"
#include "audit/outside_matrix.h"
#include "schedule/error.h"

namespace {

// Lines "== NAME" begin the tables of a folder.
std::map<std::string, brinkmap::audit::SourceText> tables_in(const std::string& text) {
  std::map<std::string, brinkmap::audit::SourceText> out;
  std::string name;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (text.compare(at, 3, "== ") == 0) {
      name = text.substr(at + 3, end - at - 3);
      while (!name.empty() && name.back() == '\n') name.pop_back();
    } else if (brinkmap::audit::is_matrix_file(name)) {
      out[name].path = name;
      out[name].text += text.substr(at, end - at);
    }
    at = end;
  }
  return out;
}

}  // namespace

// libFuzzer target: whatever the tables of a folder hold, `brinkmap analyze` ends with figures or with an
// InputError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace brinkmap::audit;
  try {
    const Analysis analysis = analyze(
        read_outside_matrix("input", tables_in(std::string(reinterpret_cast<const char*>(data), size))));
    if (to_text(analysis).empty() || to_json(analysis).empty()) __builtin_trap();
  } catch (const brinkmap::InputError&) {
  }
  return 0;
}
