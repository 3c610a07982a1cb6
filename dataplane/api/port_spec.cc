#include "dataplane/api/port_spec.h"

#include <vector>

#include "dataplane/api/config_sections.h"

namespace vireo::api {
namespace {

using google::protobuf::FieldDescriptor;

// The fields' names are the keys, so a port has one reader, whoever describes it.
toml::table TableOf(const v1::PortSpec& spec) {
  const google::protobuf::Reflection& reflection = *spec.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(spec, &fields);
  toml::table table;
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      toml::array texts;
      for (int i = 0; i < reflection.FieldSize(spec, field); ++i) {
        texts.push_back(reflection.GetRepeatedString(spec, field, i));
      }
      table.insert(field->name(), std::move(texts));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      table.insert(field->name(), std::int64_t{reflection.GetUInt32(spec, field)});
    } else {
      table.insert(field->name(), reflection.GetString(spec, field));
    }
  }
  return table;
}

}  // namespace

Result<PortConfig> ReadPortSpec(const v1::PortSpec& spec) {
  ConfigReport report;
  PortConfig port = ReadPort(TableOf(spec), report);
  if (!report.errors.empty()) {
    return Error{ErrorCode::kInvalidArgument, report.errors.front().message};
  }
  if (port.role == PortRole::kUplink) {
    return Error{ErrorCode::kInvalidArgument,
                 "port " + Quote(port.name) +
                     " is an uplink; put it into the configuration file and restart, or use role "
                     "\"access\" or \"bridged\""};
  }
  return port;
}

}  // namespace vireo::api
