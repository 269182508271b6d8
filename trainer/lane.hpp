// One lane's samples through the networks to the loss: what the step and the memory probe both do.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datasets/loader/loader.hpp"
#include "trainer/device/image_buffers.hpp"
#include "trainer/network.hpp"
#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// The next `count` lanes of this rank as one batch, under the number of their group.
datasets::LaneBatch next_lanes(datasets::TrainLoader& loader, std::int64_t count);

// What the task remembers, as the step found it.
struct Remembered {
  const TaskState& state;
  const sharding::SampleRows* rows = nullptr;
};

// A lane's samples, and their images where they are computed from; both live until backward is over.
struct LaneSamples {
  datasets::LaneBatch& batch;
  std::vector<at::Tensor> views;  // [b,3,S,S] each, in the compute type
};
LaneSamples samples_of(datasets::LaneBatch& batch, const Task& task, const Network& student,
                       ImageBuffers& buffers);

// The scalar that backward begins with. `shared`: Task::lane_loss. Throws: what the task and the model throw.
// `teacher`: null where the run has none.
at::Tensor loss_of_lane(const Task& task, const Network& student, Network* teacher,
                        const LaneSamples& samples, const Remembered& remembered, const models::Pass& pass,
                        std::span<double> shared);

}  // namespace vitrail::trainer
