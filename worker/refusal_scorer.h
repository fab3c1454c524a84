#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace brinkmap::worker {

enum class Refusal : std::uint8_t { kAnswer = 0, kSoft = 1, kHard = 2 };

// Refusal detector of the keyword type (arXiv 2606.10154, technical report TR134; data: jobs/suites/
// refusal_phrases.json). Looks at the whole answer without surrounding white space, in both cases, anywhere.
// An empty answer is a hard refusal. Hard expressions are tried before soft ones.
//
// A phrase list is a JSON object: "hard" and "soft" map family names to lists of regular expressions (PCRE2),
// "normalise_apostrophes" (true when absent) reads typographic apostrophes as ', "about" is for people.
class RefusalScorer {
 public:
  // The list in `path`, or the built-in one when it is empty. Throws InputError naming the family and
  // expression.
  static RefusalScorer load(const std::string& path);
  static RefusalScorer parse(std::string_view json, const std::string& name);
  ~RefusalScorer();
  RefusalScorer(RefusalScorer&&) noexcept;
  RefusalScorer& operator=(RefusalScorer&&) noexcept;

  // Thread-safe. Throws Error when an expression needs more steps than any sane one.
  Refusal score(std::string_view answer) const;

  // Of the list's bytes.
  const std::string& sha256() const noexcept;

 private:
  struct Impl;
  explicit RefusalScorer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace brinkmap::worker
