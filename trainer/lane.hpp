// One lane's images through the network to the loss: what the step and the memory probe both do.
#pragma once

#include "trainer/parameter_store.hpp"
#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// The scalar that backward begins with; the batch must live until backward is over. Throws: what the task and the model
// throw.
at::Tensor loss_of_lane(const Task& task, const models::Model& model, const ParameterStore& parameters,
                        datasets::LaneBatch& batch, std::int64_t image_size, const models::Pass& pass);

}  // namespace vitrail::trainer
