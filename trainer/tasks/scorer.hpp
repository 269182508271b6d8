// How an evaluation counts: batch by batch on each rank, then once over all of them.
#pragma once

#include <ATen/core/Tensor.h>

#include "datasets/loader/loader.hpp"
#include "models/model.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/tasks/scores.hpp"

namespace vitrail::trainer {

class Scorer {
 public:
  virtual ~Scorer() = default;

  // `images` [n,3,S,S]: those of the batch, on the device and in the compute type. All batches of a lane come
  // one after another, in the order of their images.
  virtual void add(const models::Model& model, const at::Tensor& images,
                   const datasets::EvaluationBatch& batch) = 0;
  virtual Scores finish(sharding::Communicator& communicator) = 0;  // collective; the same on every rank
};

}  // namespace vitrail::trainer
