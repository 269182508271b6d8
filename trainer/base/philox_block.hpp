// One block of Philox4x32-10, the function behind philox.hpp's streams, for kernels that draw all elements of
// a tensor at once. C++17, for the CUDA compiler.
#pragma once

#include <cstdint>

#include <Random123/philox.h>

namespace vitrail {

// Where a stream begins. Its block b is the function of a counter whose first word is b higher; the stream of
// id + n begins n higher in the third word, as long as that does not overflow.
struct PhiloxStart {
  std::uint32_t key[2];
  std::uint32_t counter[4];
};

struct PhiloxBlock {
  std::uint32_t words[4];
};

R123_CUDA_DEVICE inline PhiloxBlock philox_block(const PhiloxStart& start, std::uint32_t block,
                                                 std::uint32_t after_id) {
  const r123::Philox4x32::ctr_type counter = {
      {start.counter[0] + block, start.counter[1], start.counter[2] + after_id, start.counter[3]}};
  const r123::Philox4x32::key_type key = {{start.key[0], start.key[1]}};
  r123::Philox4x32 generator;
  const r123::Philox4x32::ctr_type words = generator(counter, key);
  return {{words[0], words[1], words[2], words[3]}};
}

}  // namespace vitrail
