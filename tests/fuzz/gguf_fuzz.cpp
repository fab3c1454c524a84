#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "schedule/error.h"
#include "worker/checkpoint.h"
#include "worker/recipe.h"
#include "worker/tokenizer.h"

// libFuzzer target: whatever the bytes, the reader, the tokenizer's tables and the choice of formats either
// work or throw brinkmap::Error. The first and last byte of every tensor are read, so that a wrong range
// trips the address sanitizer.

namespace {

std::uint64_t sink = 0;

void touch(const brinkmap::worker::Checkpoint& file) {
  for (const auto& tensor : file.tensors()) {
    sink += static_cast<std::uint64_t>(tensor.elements());
    sink += static_cast<std::uint64_t>(tensor.data.front()) + static_cast<std::uint64_t>(tensor.data.back());
    if (file.find(tensor.name) != &tensor) std::abort();
  }
  sink += file.tokenizer_sha256().size();
}

template <class Call>
void attempt(const Call& call) {
  try {
    call();
  } catch (const brinkmap::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace brinkmap::worker;
  attempt([&] {
    const auto file = Checkpoint::parse(std::as_bytes(std::span(data, size)), "fuzz");
    touch(*file);
    attempt([&] {
      const auto tokenizer = Tokenizer::from_gguf(*file);
      sink += tokenizer->encode("It's 12 \xff tokens\n", true, true).size();
    });
    for (const std::string& recipe : recipe_names())
      attempt([&] { sink += tensor_formats(*file, recipe).size(); });
  });
  return 0;
}
