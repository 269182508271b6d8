// Which patches of an image a masked autoencoder sees: those of the smallest of N draws, one a patch (He et
// al. 2022). Image i's do not depend on how many images there are.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::trainer {

struct PatchMaskKey {
  std::uint64_t seed = 0, step = 0, lane = 0;
};

// `seen` of `patches`, ascending, image after image: [images * seen].
std::vector<std::int64_t> draw_seen_patches(const PatchMaskKey& key, std::int64_t images,
                                            std::int64_t patches, std::int64_t seen);

}  // namespace vitrail::trainer
