// What must be the same on all ranks of a run, compared at start-up and, for the weights, now and then:
// another program or file on one node, or a flipped bit in one rank's memory, is named instead of trained on.
// All are collective, and nothing on a rank alone. Throws: AgreedError naming the rank, its host and what
// differs (refused; crash for weights, because a restart from the last checkpoint mends them).
#pragma once

#include "trainer/assembly.hpp"
#include "trainer/base/log.hpp"
#include "trainer/run/train.hpp"

namespace vitrail::trainer {

// Before ranks do anything together: the program, its libraries and every setting.
void check_same_program(sharding::Communicator& communicator, const TrainRequest& request);
// The data, and where parameters lie. Unlike machines are only told.
void check_same_plan(const Assembly& run, Log& log);
void check_same_weights(Assembly& run);  // what the model computes with; no gather may be under way

}  // namespace vitrail::trainer
