#include "worker/tokenizer_merges.h"

namespace brinkmap::worker {

namespace {

struct Candidate {
  std::uint32_t rank;
  std::int32_t left, right;        // indices
  std::int32_t left_id, right_id;  // when it was found: a symbol that changed since makes it void
  std::int32_t product;
  bool operator<(const Candidate& other) const {  // the queue's top is the least rank, then the leftmost
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

}  // namespace

void MergeTable::apply(std::vector<Symbol>& symbols) const {
  const auto n = static_cast<std::int32_t>(symbols.size());
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    const auto it = merges_.find(key(at(left).id, at(right).id));
    if (it != merges_.end())
      queue.push({it->second.rank, left, right, at(left).id, at(right).id, it->second.product});
  };
  for (std::int32_t i = 0; i < n; ++i) {
    at(i).prev = i - 1;
    at(i).next = i + 1 < n ? i + 1 : -1;
  }
  for (std::int32_t i = 1; i < n; ++i) consider(i - 1, i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.left);
    Symbol& right = at(best.right);
    if (left.id != best.left_id || right.id != best.right_id || left.next != best.right) continue;
    left.id = best.product;
    left.size += right.size;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).prev = best.left;
    consider(left.prev, best.left);
    consider(best.left, left.next);
  }
}

}  // namespace brinkmap::worker
