#include "worker/tokenizer.h"

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/tokenizer_bpe.h"
#include "worker/tokenizer_spm.h"

namespace brinkmap::worker {

std::shared_ptr<const Tokenizer> Tokenizer::from_gguf(const Checkpoint& file) {
  constexpr const char* kKey = "tokenizer.ggml.model";
  const std::string& model = file.text(kKey);
  if (model == "gpt2") return std::make_shared<const BpeTokenizer>(file);
  if (model == "llama") return std::make_shared<const SpmTokenizer>(file);
  throw InputError(file.path(), std::string("metadata key '") + kKey + "'",
                   "tokenizer '" + printable(model) + "' is unknown; expected gpt2 or llama");
}

}  // namespace brinkmap::worker
