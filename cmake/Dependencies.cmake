# Every dependency of the project; docs/dependencies.md says what each is for.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(XDP REQUIRED IMPORTED_TARGET libxdp)
pkg_check_modules(BPF REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
find_library(IPSEC_MB_LIBRARY IPSec_MB REQUIRED)

# DPDK's headers warn under our flags and its pkg-config file pulls in every library it has; link
# only what is used. Drivers are plug-ins that EAL loads by itself.
add_library(vireo_dpdk INTERFACE)
target_include_directories(vireo_dpdk SYSTEM INTERFACE ${DPDK_INCLUDE_DIRS})
target_compile_options(vireo_dpdk INTERFACE ${DPDK_CFLAGS_OTHER})
target_link_libraries(vireo_dpdk INTERFACE rte_eal rte_mempool rte_mbuf rte_ring rte_ethdev rte_rcu rte_vhost)
if(VIREO_SANITIZE MATCHES thread)
  # DPDK's rings with C11 atomics, which the thread sanitizer sees, instead of barriers.
  target_compile_definitions(vireo_dpdk INTERFACE RTE_USE_C11_MEM_MODEL)
endif()
