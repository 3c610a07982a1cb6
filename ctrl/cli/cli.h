// `vireo`, the operator's program, as a function.
#pragma once

#include <cstdint>
#include <iostream>
#include <ostream>
#include <span>
#include <string>

#include "dataplane/base/clock.h"

namespace vireo::cli {

enum ExitCode : int {
  kOk = 0,
  kRefused = 1,  // the dataplane refused, or a check found mistakes
  kUsage = 2,    // wrong arguments, or no dataplane to ask
};

// Where the program runs.
struct Environment {
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  bool color = false;  // `out` is a terminal
  std::string socket_folder = "/run/vireo";
  std::istream& in = std::cin;
};

// Runs with the arguments behind the program's name. Writes errors as one line each.
ExitCode Run(std::span<const std::string> arguments, const Environment& environment);

}  // namespace vireo::cli
