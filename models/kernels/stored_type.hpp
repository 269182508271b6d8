// In which of three types numbers lie that a GPU's kernels compute with in fp32.
#pragma once

namespace vitrail::models::cuda {

enum class StoredType { fp32, fp16, bf16 };

}  // namespace vitrail::models::cuda
