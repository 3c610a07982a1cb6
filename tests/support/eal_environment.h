// Starts DPDK's EAL once for a test program, without hugepages, devices or files on disk.
// Including this header is enough: it registers itself with GoogleTest.
#pragma once

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <string>
#include <vector>

namespace vireo::test {

class EalEnvironment final : public ::testing::Environment {
 public:
  void SetUp() override {
    // EAL pins the calling thread to its main core. Tests run in parallel and start threads of
    // their own, so the thread gets its former cores back.
    cpu_set_t cores;
    ASSERT_EQ(sched_getaffinity(0, sizeof cores, &cores), 0);
    int first = 0;
    while (first < CPU_SETSIZE && !CPU_ISSET(first, &cores)) ++first;

    std::vector<std::string> words = {
        "test",     "--no-huge",      "-m",          "128", "--no-shconf",
        "--no-pci", "--no-telemetry", "--log-level", "4",   "-l" + std::to_string(first)};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    ASSERT_GE(rte_eal_init(static_cast<int>(argv.size()), argv.data()), 0)
        << "EAL did not start: " << rte_strerror(rte_errno);
    sched_setaffinity(0, sizeof cores, &cores);
  }

  void TearDown() override { rte_eal_cleanup(); }
};

// An inline variable, so that a program of many test files registers one environment.
inline ::testing::Environment* const kEalEnvironment =
    ::testing::AddGlobalTestEnvironment(new EalEnvironment);

}  // namespace vireo::test
