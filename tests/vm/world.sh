# Sourced by tests with Linux guests in QEMU: $GUEST is the folder of the guest's image (guest-image),
# made outside of the test's world, which has no network to fetch the kernel by.
vm_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${VIREO_TEST_WORLD:-}" ]; then
  for program in qemu-system-x86_64 busybox cpio; do
    command -v $program >/dev/null || {
      echo "SKIPPED: $program is not installed: run deploy/setup --test" >&2
      exit 77
    }
  done
  export GUEST=${1:?usage: $0 BUILD_DIR}/../vm
  "$vm_folder/guest-image" "$GUEST" || {
    echo "SKIPPED: Debian's kernel package cannot be fetched here" >&2
    exit 77
  }
  GUEST=$(cd "$GUEST" && pwd)
fi
. "$vm_folder/../netns/lib.sh"
