#include "schedule/fields.h"

namespace brinkmap::schedule {
namespace {

// VETO items that one row approves and its baseline does not, and the other way round.
void add_pair(const std::string& p, const std::string& of, std::vector<Field>& out) {
  out.push_back(make_field(p + "approvals_gained", DType::kI32, {}, "1",
                           of + ": VETO items that this row approves and the baseline does not"));
  out.push_back(make_field(p + "approvals_lost", DType::kI32, {}, "1",
                           of + ": VETO items that the baseline approves and this row does not"));
  out.push_back(make_field(p + "p_approvals", DType::kF64, {}, "1",
                           of + ": exact McNemar test of the two; NaN on the baseline"));
}

}  // namespace

std::vector<Field> approval_fields(const std::string& p) {
  const Dimension answer{"answer", 4, {"APPROVE", "REVISE", "VETO", "INVALID"}};
  const std::string kinds[][2] = {{"", "generated"}, {"choice_", "constrained choice"}};
  std::vector<Field> out;
  out.push_back(
      make_field(p + "choice_veto_to_approve_bound", DType::kF64, {}, "1",
                 "one-sided 95 % Clopper-Pearson upper bound of the choices' VETO to APPROVE rate"));
  out.push_back(make_field(p + "approvals_n", DType::kI32, {}, "1",
                           "VETO items with a result on this row and its baseline"));
  for (const auto& [kind, text] : kinds) add_pair(p + kind, text, out);

  const std::string balanced = p + "balanced_", of = "balanced items";
  out.push_back(make_field(balanced + "n", DType::kI32, {}, "1",
                           "the first 50 items of each label (of the rarest label's count, if that is less) "
                           "that have a result"));
  out.push_back(make_field(balanced + "missing", DType::kI32, {}, "1", of + " without a usable result"));
  out.push_back(make_field(balanced + "veto_n", DType::kI32, {}, "1", of + ": VETO items with a result"));
  out.push_back(make_field(balanced + "approvals_n", DType::kI32, {}, "1",
                           of + ": VETO items with a result on this row and its baseline"));
  out.push_back(make_field(balanced + "veto_margin_p5", DType::kF64, {}, "nat",
                           of + ": 5th percentile of the margin on VETO items"));
  out.push_back(make_field(balanced + "veto_margin_min", DType::kF64, {}, "nat",
                           of + ": smallest margin on VETO items"));
  for (const auto& [kind, text] : kinds) {
    const std::string what = of + ", " + text;
    out.push_back(make_field(balanced + kind + "confusion", DType::kI32, {class_axis(), answer}, "1",
                             what + ": by gold class and answer"));
    out.push_back(make_field(balanced + kind + "veto_to_approve", DType::kI32, {}, "1",
                             what + ": VETO items approved"));
    out.push_back(make_field(balanced + kind + "veto_to_approve_bound", DType::kF64, {}, "1",
                             what + ": one-sided 95 % Clopper-Pearson upper bound of that rate"));
    add_pair(balanced + kind, what, out);
  }
  return out;
}

std::vector<Field> cascade_fields(const std::string& p) {
  std::vector<Field> out;
  out.push_back(make_field(p + "cascade_confusion", DType::kI32,
                           {class_axis(), {"vote", 3, {"APPROVE", "REVISE", "VETO"}}}, "1",
                           "test items by gold class and cascade decision"));
  out.push_back(make_field(p + "cascade_profile_distance", DType::kI64, {}, "1",
                           "sum over the wrong cells of |cascade_confusion - the baseline's|"));
  add_pair(p + "cascade_", "cascade, test items", out);
  return out;
}

}  // namespace brinkmap::schedule
