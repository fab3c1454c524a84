#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/tokenizer.h"

namespace brinkmap::worker {

// Bytes are tokens 0-255; longer pieces given at construction follow and win by length; then control tokens,
// BOS, END.
class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> pieces = {}, bool adds_bos = true)
      : pieces_(std::move(pieces)), adds_bos_(adds_bos) {}

  static constexpr std::int32_t kControls = 1000;  // "<u>", "<a>"
  static constexpr std::int32_t kBos = 1002;
  static constexpr std::int32_t kEnd = 1003;

  std::vector<std::int32_t> encode(std::string_view text, bool add_special,
                                   bool parse_special) const override {
    std::vector<std::int32_t> ids;
    if (add_special && adds_bos_) ids.push_back(kBos);
    while (!text.empty()) {
      std::size_t length = 1;
      std::int32_t id = static_cast<unsigned char>(text[0]);
      for (std::size_t i = 0; i < pieces_.size(); ++i)
        if (pieces_[i].size() > length && text.starts_with(pieces_[i])) {
          length = pieces_[i].size();
          id = 256 + static_cast<std::int32_t>(i);
        }
      for (std::int32_t i = 0; parse_special && i < 2; ++i)
        if (text.starts_with(kControlTexts[i])) {
          length = 3;
          id = kControls + i;
        }
      ids.push_back(id);
      text.remove_prefix(length);
    }
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (std::int32_t id : ids) {
      if (id < 256)
        text += static_cast<char>(id);
      else if (id < kControls)
        text += pieces_[static_cast<std::size_t>(id - 256)];
    }
    return text;
  }

  int size() const noexcept override { return 1004; }
  std::int32_t bos() const noexcept override { return kBos; }
  bool is_end(std::int32_t id) const noexcept override { return id == kEnd; }

 private:
  static constexpr std::string_view kControlTexts[2] = {"<u>", "<a>"};

  std::vector<std::string> pieces_;
  bool adds_bos_;
};

}  // namespace brinkmap::worker
