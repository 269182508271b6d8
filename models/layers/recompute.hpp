// Activation checkpointing (Chen et al. 2016): a part of the network of which only the input is kept;
// backward runs it a second time and goes back through it at once, parameters included. The same bits as
// without.
#pragma once

#include <functional>

#include "models/layers/stochastic_depth.hpp"

namespace vitrail::models {

// A part of the network; `again` in the second run. It runs a last time in backward: what it refers to must
// outlive the graph.
using Segment = std::function<at::Tensor(const at::Tensor& x, bool again)>;

at::Tensor recomputed(const at::Tensor& x, const Segment& segment);

Branch recomputed(Branch branch);  // the branch, computed so

}  // namespace vitrail::models
