// Adaptive gradient clipping: the gradient of a unit, what makes one output, may be as long as a share of the
// unit's weights, no longer. Units are runs of elements that lanes cut anywhere; all sums are in an order
// that knows no ranks. Source: Brock et al. 2021 as timm's adaptive_clip_grad.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sharding/device/update_list.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/per_tensor_sums.hpp"

namespace vitrail::sharding {

class AdaptiveClipping {
 public:
  // Of a piece in PerTensorSums: squares of the gradient and of the weights in its first and in its last
  // unit, where other pieces hold the rest of these.
  static constexpr std::size_t kColumns = 4;

  // `units` by parameter: elements of one; 0: is not clipped. `share`: 0 clips nothing.
  AdaptiveClipping(double share, std::vector<std::int64_t> units) : share_(share), units_(std::move(units)) {}

  bool is_on() const { return share_ > 0; }

  // Clips scale * sums of the units that lie in one piece, and leaves in column `norm` the squares of what
  // they have become; the squares of parts of units in the kColumns after it.
  void clip_whole_units(LaneState& state, GradientReducer& gradients, double scale, PerTensorSums& sums,
                        std::size_t norm);

  // Clips the other ones, from what all ranks have left in `sums`. Returns the sum of squares of all that
  // sums hold now.
  double clip_cut_units(LaneState& state, GradientReducer& gradients, double scale, const PerTensorSums& sums,
                        std::size_t norm);

 private:
  // What of a unit lies in one piece: elements.
  struct UnitPart {
    std::int64_t unit = 0;      // of the parameter
    std::int64_t in_piece = 0;  // first element, counted in the piece
    std::int64_t elements = 0;
    bool whole = false;
    bool last = false;  // of several in its piece

    // Where its squares are found beside column `norm`, and those of its weights after it.
    std::size_t column(std::size_t norm) const { return norm + (last ? 3 : 1); }
  };
  // This rank's parts: runs, with scalars by part.
  struct Parts {
    struct Own {
      std::size_t piece;
      UnitPart part;
      std::size_t begin, end;  // of the runs
    };
    UpdateList list;
    std::vector<Own> parts;
    std::vector<std::byte*> sums;  // by bucket: where they were when this was built
  };
  template <class Each>
  static void for_each_part(const Piece& piece, std::int64_t unit, const Each& each);
  Parts& own_parts(LaneState& state, GradientReducer& gradients);
  double factor(const Squares& gradient_and_weight, double scale) const;

  double share_;
  std::vector<std::int64_t> units_;
  Parts own_;
};

}  // namespace vitrail::sharding
