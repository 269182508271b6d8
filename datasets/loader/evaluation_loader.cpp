#include <algorithm>
#include <mutex>
#include <span>
#include <utility>

#include "datasets/augment/transform.hpp"
#include "datasets/loader/loader.hpp"
#include "datasets/loader/prefetcher.hpp"
#include "datasets/loader/sample_writer.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::int64_t kBatchesAhead = 2;

}  // namespace

class EvaluationLoader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const LaneShare& lanes, const EvaluationTransform& transform,
       std::int64_t batch, std::int64_t workers, const PixelMemory& memory, OnDamage on_damage,
       const BatchShare& share)
      : dataset_(std::move(dataset)),
        lanes_(lanes),
        transform_(transform),
        normaliser_(transform.normalisation),
        on_damage_(on_damage),
        parts_(of_rank(cut(dataset_->size(), lanes, batch), share)),
        pixels_(memory, floats_of(std::min(batch, (dataset_->size() + lanes.lanes - 1) / lanes.lanes))),
        transformers_(static_cast<std::size_t>(workers)),
        prefetcher_(recipe(), kBatchesAhead, workers) {}

  std::optional<EvaluationBatch> next() { return prefetcher_.next(); }

 private:
  // `count` images of a lane from its `first`-th on: image numbers lane + L * first, lane + L * (first + 1),
  // ...
  struct Part {
    std::int64_t lane, first, count;
  };

  static std::vector<Part> cut(std::int64_t images, const LaneShare& lanes, std::int64_t batch) {
    std::vector<Part> parts;
    for (std::int64_t lane = lanes.first_lane; lane < lanes.end_lane; ++lane) {
      const std::int64_t of_lane = (images - lane + lanes.lanes - 1) / lanes.lanes;
      for (std::int64_t first = 0; first < of_lane; first += batch) {
        parts.push_back({lane, first, std::min(batch, of_lane - first)});
      }
    }
    return parts;
  }

  static std::vector<Part> of_rank(const std::vector<Part>& all, const BatchShare& share) {
    std::vector<Part> own;
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (static_cast<std::int64_t>(k) % share.ranks == share.rank) own.push_back(all[k]);
    }
    return own;
  }

  const Part& part(std::int64_t k) const { return parts_[static_cast<std::size_t>(k)]; }

  BatchRecipe<EvaluationBatch> recipe() {
    BatchRecipe<EvaluationBatch> recipe;
    recipe.batches = static_cast<std::int64_t>(parts_.size());
    recipe.items = [this](std::int64_t k) { return part(k).count; };
    recipe.allocate = [this](std::int64_t k) { return allocate(part(k)); };
    recipe.fill = [this](EvaluationBatch& batch, std::int64_t k, std::int64_t item, std::size_t worker) {
      fill(batch, part(k), item, transformers_[worker]);
    };
    recipe.finish = [](EvaluationBatch&, std::int64_t) {};
    return recipe;
  }

  std::size_t floats_of(std::int64_t images) const {
    return static_cast<std::size_t>(images * transform_.crops_count() * 3 * transform_.image_size *
                                    transform_.image_size);
  }

  EvaluationBatch allocate(const Part& part) {
    const auto count = static_cast<std::size_t>(part.count);
    EvaluationBatch batch;
    batch.lane = part.lane;
    batch.images_count = part.count;
    batch.images = pixels_.take(floats_of(part.count));
    batch.labels.resize(count);
    batch.indices.resize(count);
    return batch;
  }

  void fill(EvaluationBatch& batch, const Part& part, std::int64_t item, Transformer& transformer) {
    const std::int64_t index = part.lane + lanes_.lanes * (part.first + item);
    const std::span<float> out = std::span<float>(batch.images).subspan(floats_of(item), floats_of(1));
    try {
      write_sample(*dataset_, index, {},
                   [&](const Sample& sample) { transformer.evaluate(sample, transform_, normaliser_, out); });
    } catch (const Error& error) {
      if (on_damage_ == OnDamage::fail || error.code() != ExitCode::bad_data) throw;
      std::ranges::fill(out, 0.0F);
      const std::lock_guard lock(damage_mutex_);
      batch.damaged.emplace(static_cast<std::uint64_t>(index), error.what());
    }
    batch.labels[static_cast<std::size_t>(item)] = dataset_->label(index);
    batch.indices[static_cast<std::size_t>(item)] = index;
  }

  const std::shared_ptr<const Dataset> dataset_;
  const LaneShare lanes_;
  const EvaluationTransform transform_;
  const Normaliser normaliser_;
  const OnDamage on_damage_;
  std::mutex damage_mutex_;
  const std::vector<Part> parts_;
  PixelPool pixels_;
  std::vector<Transformer> transformers_;   // by worker
  Prefetcher<EvaluationBatch> prefetcher_;  // last: its threads use the rest
};

EvaluationLoader::EvaluationLoader(std::shared_ptr<const Dataset> dataset, const LaneShare& lanes,
                                   const EvaluationTransform& transform, std::int64_t batch,
                                   std::int64_t workers, const PixelMemory& memory, OnDamage on_damage,
                                   const BatchShare& share) {
  check_lanes(lanes);
  require(batch >= 1, fmt::format("an evaluation batch of {} images", batch));
  require(workers >= 1, fmt::format("data.workers = {} is less than 1", workers));
  check_image_size(*dataset, transform.image_size);
  impl_ =
      std::make_unique<Impl>(std::move(dataset), lanes, transform, batch, workers, memory, on_damage, share);
}
EvaluationLoader::~EvaluationLoader() = default;

bool EvaluationLoader::next(EvaluationBatch& out) {
  std::optional<EvaluationBatch> batch = impl_->next();
  if (!batch) return false;
  out = std::move(*batch);
  return true;
}

}  // namespace vitrail::datasets
