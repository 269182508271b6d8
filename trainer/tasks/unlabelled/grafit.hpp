// Grafit (Touvron et al. 2021): embeddings that are finer than the labels they learn from. Every image shall
// have its class's other images nearest among all training images, as the run remembers their embeddings
// (SNCA), and each of its views shall predict the target network's embeddings of the others (BYOL). The
// target is the average of the weights. Rows that the run remembers: a sample's embedding, of length 1 when
// it was seen. There is no public code; what the paper leaves open is a setting.
#pragma once

#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// predictions, targets [T*b,E], view after view: minus the mean cosine over pairs of different views, and
// over images. Scalar.
at::Tensor instance_loss(const at::Tensor& predictions, const at::Tensor& targets, std::int64_t views);

// -log of the share that a row's class has in sum_j exp(cos(x, m_j) / temperature) over all remembered rows
// but its own; mean over embeddings [b,E], where those whose class has no other row count as 0. rows [N,E];
// labels [N], int64; own [b], int64: which rows are theirs. Scalar.
at::Tensor neighbour_loss(const at::Tensor& embeddings, const at::Tensor& rows, const at::Tensor& labels,
                          const at::Tensor& own, double temperature);

class Grafit final : public Task {
 public:
  // `data`: whose labels are learned.
  Grafit(const Config& config, c10::Device device, const datasets::Dataset& data);

  std::vector<datasets::ViewPlan> views() const override { return views_; }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override;
  std::size_t shared_values() const override;
  void after_exchange(const LaneValues& shared, TaskState& state, sharding::SampleRows* rows) const override;
  double teacher_momentum(std::int64_t step) const override;
  std::int64_t row_width() const override { return grafit_.head.outputs; }
  void begin_rows(sharding::SampleRows& rows) const override;
  std::vector<std::string> log_lines() const override;

 private:
  std::int64_t instance_views() const { return static_cast<std::int64_t>(views_.size()) - 1; }
  at::Tensor loss_of_instances(const LaneInput& lane, const models::Pass& pass) const;

  GrafitConfig grafit_;
  std::vector<datasets::ViewPlan> views_;
  std::uint64_t seed_;
  std::int64_t lane_images_, classes_, samples_, total_steps_;
  at::Tensor labels_;  // [N], as rows lie
};

}  // namespace vitrail::trainer
