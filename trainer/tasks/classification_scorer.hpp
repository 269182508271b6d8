// Exact accuracies and loss of a classifier: hits are counted as integers, losses are added in double in lane
// order. Ties go to the lower class; NaN ranks before every number. Throws: Error(bad_data) naming a label
// outside the model's classes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "trainer/tasks/real_labels.hpp"
#include "trainer/tasks/scorer.hpp"

namespace vitrail::trainer {

// [B * crops, 3, S, S] -> [B, K]: the model's prediction, the mean over an image's crops, which stand side by
// side, and with `flip` their mirrors. A forward pass takes one crop of each image.
at::Tensor evaluation_logits(const models::Model& model, const at::Tensor& images, bool flip,
                             std::int64_t crops = 1);

// top1, top5, loss.
class ClassificationScorer final : public Scorer {
 public:
  struct Options {
    std::int64_t lanes = 1;
    bool flip = false;
    std::shared_ptr<const RealLabels> real = nullptr;  // null: none
    std::int64_t classes = 0;  // told one by one, with what they are taken for; 0: none
  };

  explicit ClassificationScorer(Options options);

  void add(const models::Model& model, const at::Tensor& images,
           const datasets::EvaluationBatch& batch) override;
  Scores finish(sharding::Communicator& communicator) override;

 private:
  void count(std::size_t row, std::int64_t rank);
  std::vector<Confusion> confusion(sharding::Communicator& communicator) const;
  Accuracy accuracy(std::size_t row) const;

  Options options_;
  // What ranks add up: each lane's sum of losses, which one rank fills, and rows of counts, which doubles
  // hold exactly: of all images, of those with reassessed labels, of each class.
  std::vector<double> values_;
  // Of this rank: class and what its images were taken for, to their number. Of all pairs few occur.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> taken_;
};

}  // namespace vitrail::trainer
