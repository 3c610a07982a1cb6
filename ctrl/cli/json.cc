#include "ctrl/cli/json.h"

#include <google/protobuf/descriptor.h>

#include <cstdio>

#include "dataplane/base/encoding.h"

namespace vireo::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Bytes of the UTF-8 sequence (RFC 3629 §4) that `text` begins with; 0 if it begins with none.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = byte(0) < 0x80                       ? 1
                             : byte(0) >= 0xc2 && byte(0) <= 0xdf ? 2
                             : byte(0) >= 0xe0 && byte(0) <= 0xef ? 3
                             : byte(0) >= 0xf0 && byte(0) <= 0xf4 ? 4
                                                                  : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool bad_second =
      length > 1 && ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) > 0x9f) ||
                     (byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) > 0x8f));
  return bad_second ? 0 : length;
}

class Writer {
 public:
  void WriteMessage(const Message& message) {
    const auto* descriptor = message.GetDescriptor();
    Open('{');
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      Next(i == 0);
      text_ += JsonString(field->name()) + ": ";
      WriteField(message, field);
    }
    Close('}', descriptor->field_count() == 0);
  }
  [[nodiscard]] std::string Take() { return std::move(text_) + "\n"; }

 private:
  void WriteField(const Message& message, const FieldDescriptor* field) {
    const auto* reflection = message.GetReflection();
    if (!field->is_repeated()) return WriteValue(message, field, -1);
    const int size = reflection->FieldSize(message, field);
    Open('[');
    for (int i = 0; i < size; ++i) {
      Next(i == 0);
      WriteValue(message, field, i);
    }
    Close(']', size == 0);
  }

  // `index` of a repeated field, or -1.
  void WriteValue(const Message& message, const FieldDescriptor* field, int index) {
    const auto* reflection = message.GetReflection();
    const bool one = index < 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (one && !reflection->HasField(message, field)) {
          text_ += "null";
        } else {
          WriteMessage(one ? reflection->GetMessage(message, field)
                           : reflection->GetRepeatedMessage(message, field, index));
        }
        return;
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string value = one ? reflection->GetString(message, field)
                                      : reflection->GetRepeatedString(message, field, index);
        const bool bytes = field->type() == FieldDescriptor::TYPE_BYTES;
        text_ += JsonString(bytes ? ToBase64(AsBytes(value)) : value);
        return;
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        text_ += reflection->GetBool(message, field) ? "true" : "false";
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        text_ += std::to_string(reflection->GetInt32(message, field));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        text_ += std::to_string(reflection->GetInt64(message, field));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        text_ += std::to_string(reflection->GetUInt32(message, field));
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        text_ += std::to_string(one ? reflection->GetUInt64(message, field)
                                    : reflection->GetRepeatedUInt64(message, field, index));
        return;
      default:  // the schema has no other types
        text_ += "null";
    }
  }

  void Open(char bracket) {
    text_ += bracket;
    ++depth_;
  }
  void Next(bool first) {
    if (!first) text_ += ',';
    Indent();
  }
  void Close(char bracket, bool empty) {
    --depth_;
    if (!empty) Indent();
    text_ += bracket;
  }
  void Indent() { text_.append("\n").append(depth_ * 2, ' '); }

  std::string text_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const char c = text[0];
    const std::size_t length = SequenceLength(text);
    if (c == '"' || c == '\\') {
      (quoted += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      quoted += length == 0 ? "\xef\xbf\xbd" : text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + '"';
}

std::string ToJson(const Message& message) {
  Writer writer;
  writer.WriteMessage(message);
  return writer.Take();
}

}  // namespace vireo::cli
