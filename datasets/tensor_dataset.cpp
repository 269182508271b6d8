#include "datasets/tensor_dataset.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::uint64_t kHashedAtOnce = 1 << 20;  // bytes

void update_with_text(Hasher& hasher, const std::string& text) {
  hasher.update(std::as_bytes(std::span(text)));
}

class TensorDataset final : public Dataset {
 public:
  TensorDataset(const std::string& file, Labels labels) : file_(file), reader_(file) {
    check_images();
    if (labels == Labels::needed || reader_.tensors().contains("labels")) {
      read_labels();
    } else {
      labels_.resize(static_cast<std::size_t>(reader_.info("images").shape[0]));
    }
    fingerprint_ = hash_content();
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t classes() const override { return classes_; }
  std::string class_name(std::int64_t label) const override { return std::to_string(label); }
  std::int64_t label(std::int64_t index) const override {
    return labels_.at(static_cast<std::size_t>(index));
  }
  std::optional<std::int64_t> tensor_image_size() const override { return image_size_; }
  std::string fingerprint() const override { return fingerprint_; }
  std::string describe() const override { return "tensor:" + file_; }

  Sample read(std::int64_t index) const override {
    return {.encoded = {},
            .image = {},
            .tensor = is_double_ ? read_image<double>(index) : read_image<float>(index)};
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", file_, what));
  }

  void check_images() {
    const TensorInfo& info = reader_.info("images");
    const auto& shape = info.shape;
    if (shape.size() != 4 || shape[0] < 1 || shape[1] != 3 || shape[2] < 1 || shape[2] != shape[3]) {
      fail(fmt::format("tensor images has shape [{}] instead of [N, 3, S, S]", fmt::join(shape, ", ")));
    }
    if (info.type != DataType::f32 && info.type != DataType::f64) {
      fail(fmt::format("tensor images is {} instead of F32 or F64", name_of(info.type)));
    }
    is_double_ = info.type == DataType::f64;
    image_size_ = shape[2];
  }

  void read_labels() {
    const TensorInfo& info = reader_.info("labels");
    const std::int64_t images = reader_.info("images").shape[0];
    if (info.type != DataType::i64 || info.shape != std::vector<std::int64_t>{images}) {
      fail(fmt::format("tensor labels is {} [{}] instead of I64 [{}]", name_of(info.type),
                       fmt::join(info.shape, ", "), images));
    }
    labels_.resize(static_cast<std::size_t>(images));
    reader_.read("labels", std::as_writable_bytes(std::span(labels_)));
    const auto [lowest, highest] = std::minmax_element(labels_.begin(), labels_.end());
    if (*lowest < 0) fail(fmt::format("label {} of image {} is negative", *lowest, lowest - labels_.begin()));
    classes_ = *highest + 1;
  }

  template <class Value>
  std::vector<float> read_image(std::int64_t index) const {
    std::vector<Value> values(static_cast<std::size_t>(3 * image_size_ * image_size_));
    const std::uint64_t bytes = values.size() * sizeof(Value);
    reader_.read("images", std::as_writable_bytes(std::span(values)),
                 static_cast<std::uint64_t>(index) * bytes);
    if constexpr (std::is_same_v<Value, float>) {
      return values;
    } else {
      return {values.begin(), values.end()};
    }
  }

  // Type, shape and bytes of both tensors; the container's header, its order and other tensors are left out.
  std::string hash_content() const {
    Hasher hasher;
    for (const std::string name : {"images", "labels"}) {
      if (!reader_.tensors().contains(name)) continue;  // labels that nobody looks at
      const TensorInfo& info = reader_.info(name);
      update_with_text(hasher,
                       fmt::format("{} {} [{}]\n", name, name_of(info.type), fmt::join(info.shape, ", ")));
      const std::uint64_t size = info.end - info.begin;
      std::vector<std::byte> block(std::min(kHashedAtOnce, size));
      for (std::uint64_t offset = 0; offset < size; offset += block.size()) {
        block.resize(std::min(kHashedAtOnce, size - offset));
        reader_.read(name, block, offset);
        hasher.update(block);
      }
    }
    return hasher.digest().hex();
  }

  std::string file_;
  SafetensorsReader reader_;
  bool is_double_ = false;
  std::int64_t image_size_ = 0;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
  std::string fingerprint_;
};

}  // namespace

std::shared_ptr<const Dataset> open_tensor_dataset(const std::string& file, Labels labels) {
  return std::make_shared<TensorDataset>(file, labels);
}

}  // namespace vitrail::datasets
