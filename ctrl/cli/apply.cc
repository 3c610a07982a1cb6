#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <iterator>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "dataplane/api/control_frame.h"

namespace vireo::cli {
namespace {

// nullopt: the file cannot be read.
std::optional<std::string> ReadAll(const Context& context, const std::string& file) {
  if (file == "-") {
    return std::string(std::istreambuf_iterator<char>(context.environment.in), {});
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return std::nullopt;
  return text;
}

// Bytes of a request around its batch, at most.
constexpr std::size_t kEnvelope = 8;

// What the parser of JSON says, without its picture of the place.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

ExitCode Apply(const Context& context, const std::string& file) {
  const auto text = ReadAll(context, file);
  if (!text) return context.Fail(kUsage, "cannot read " + file + "; give a file, or - and a pipe");
  v1::ApplyRequest batch;
  const auto parsed = google::protobuf::util::JsonStringToMessage(*text, &batch);
  if (!parsed.ok()) {
    return context.Fail(kRefused, file + ": " + FirstLine(std::string(parsed.message())) +
                                      "; a batch is an ApplyRequest of dataplane.proto as JSON");
  }
  if (batch.ByteSizeLong() + kEnvelope > api::kControlMaxRequest) {
    return context.Fail(kRefused, file + ": batch is larger than 4 MiB; make several of it");
  }
  Dataplane dataplane(context);
  const auto applied = dataplane.Apply(batch);
  if (!applied) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(*applied);
  } else if (applied->already_applied()) {
    context.out() << "generation " << applied->generation() << " was applied before\n";
  } else {
    context.out() << "generation " << applied->generation() << " applied, " << batch.changes_size()
                  << " changes\n";
  }
  return kOk;
}

}  // namespace vireo::cli
