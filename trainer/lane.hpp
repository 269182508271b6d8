// One lane's samples through the networks to the loss: what the step and the memory probe both do.
#pragma once

#include <span>

#include "trainer/network.hpp"
#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// The scalar that backward begins with; the batch must live until backward is over. `shared`:
// Task::lane_loss. Throws: what the task and the model throw.
// `teacher`: null where the run has none.
at::Tensor loss_of_lane(const Task& task, const Network& student, Network* teacher,
                        datasets::LaneBatch& batch, const TaskState& state, const models::Pass& pass,
                        std::span<double> shared);

}  // namespace vitrail::trainer
