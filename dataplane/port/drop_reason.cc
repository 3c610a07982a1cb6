#include "dataplane/port/drop_reason.h"

namespace vireo {
namespace {

struct Row {
  std::string_view name, stage, text;
};

constexpr Row kRows[] = {
#define X(constant, name, stage, text) {name, stage, text},
    VIREO_DROP_REASONS(X)
#undef X
};

}  // namespace

std::string_view Name(DropReason reason) { return kRows[static_cast<std::size_t>(reason)].name; }
std::string_view Stage(DropReason reason) { return kRows[static_cast<std::size_t>(reason)].stage; }
std::string_view Text(DropReason reason) { return kRows[static_cast<std::size_t>(reason)].text; }

}  // namespace vireo
