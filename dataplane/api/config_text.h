// TOML that may have mistakes of syntax.
#pragma once

#include <toml++/toml.h>

#include <string_view>

#include "dataplane/api/config_table.h"

namespace vireo::api {

// Parses the text. A mistake of syntax is reported and its line left out, then the rest is looked
// at again, so that one run shows more than the first; gives up after a few. Tables whose head was
// wrong are left out with what is in them.
[[nodiscard]] toml::table ParseToml(std::string_view text, ConfigReport& report);

}  // namespace vireo::api
