#include "dataplane/api/port_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vireo::api {
namespace {

using testing::HasSubstr;

v1::PortSpec Tap() {
  v1::PortSpec spec;
  spec.set_name("vm1");
  spec.set_kind("tap");
  spec.set_role("bridged");
  spec.set_interface("tap1");
  return spec;
}

TEST(PortSpec, IsReadAsTheFileWouldBe) {
  auto tap = ReadPortSpec(Tap());
  ASSERT_TRUE(tap.ok()) << tap.error().message;
  EXPECT_EQ(tap->name, "vm1");
  EXPECT_EQ(tap->kind, PortKind::kTap);
  EXPECT_EQ(tap->role, PortRole::kBridged);
  EXPECT_EQ(tap->interface, "tap1");
  EXPECT_EQ(tap->mtu, 1500) << "the file's default";

  v1::PortSpec access;
  access.set_name("lan");
  access.set_kind("ethdev");
  access.set_role("access");
  access.set_device("net_af_xdp0,iface=eth2");
  access.add_addresses("10.1.0.1/24");
  access.add_addresses("fd01::1/64");
  access.set_vlan(7);
  access.set_mtu(1400);
  auto lan = ReadPortSpec(access);
  ASSERT_TRUE(lan.ok()) << lan.error().message;
  EXPECT_EQ(lan->device, "net_af_xdp0,iface=eth2");
  ASSERT_EQ(lan->addresses.size(), 2u);
  EXPECT_EQ(lan->addresses[1].ToString(), "fd01::1/64");
  EXPECT_EQ(lan->vlan, 7);
  EXPECT_EQ(lan->mtu, 1400);
}

TEST(PortSpec, EveryFieldIsAKeyOfTheFile) {
  v1::PortSpec spec;
  const auto* descriptor = v1::PortSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    spec.Clear();
    if (field->is_repeated()) {
      spec.GetReflection()->AddString(&spec, field, "x");
    } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      spec.GetReflection()->SetString(&spec, field, "x");
    } else {
      spec.GetReflection()->SetUInt32(&spec, field, 1);
    }
    const auto read = ReadPortSpec(spec);
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(read.error().message, testing::Not(HasSubstr("unknown key"))) << field->name();
  }
}

TEST(PortSpec, SaysWhatTheFilesReaderWouldSay) {
  const auto message = [](auto change) {
    v1::PortSpec spec = Tap();
    change(spec);
    const auto read = ReadPortSpec(spec);
    EXPECT_FALSE(read.ok());
    return read.ok() ? std::string() : read.error().message;
  };
  EXPECT_THAT(message([](auto& spec) { spec.clear_name(); }), HasSubstr("has no name"));
  EXPECT_THAT(message([](auto& spec) { spec.set_kind("carrot"); }),
              HasSubstr("kind cannot be \"carrot\""));
  EXPECT_THAT(message([](auto& spec) { spec.clear_interface(); }), HasSubstr("has no interface"));
  EXPECT_THAT(message([](auto& spec) { spec.set_mtu(100); }), HasSubstr("mtu is 100"));
  EXPECT_THAT(message([](auto& spec) { spec.set_mac("02:00:00:00:00:01"); }),
              HasSubstr("mac means nothing for a bridged port of kind \"tap\""));
  EXPECT_THAT(message([](auto& spec) {
                spec.set_role("uplink");
                spec.set_kind("af_xdp");
              }),
              HasSubstr("port \"vm1\" is an uplink; put it into the configuration file"));
}

}  // namespace
}  // namespace vireo::api
