#include "dataplane/crypto/aead.h"

namespace vireo {

}  // namespace vireo
