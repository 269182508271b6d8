// Several views of a sample are cut out of one picture, which is decoded once.
#include <gtest/gtest.h>

#include "datasets/augment/transform.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "datasets/loader/loader.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

// One large JPEG again and again.
class JpegDataset final : public Dataset {
 public:
  std::int64_t size() const override { return 16; }
  std::int64_t classes() const override { return 1; }
  std::string class_name(std::int64_t) const override { return "noise"; }
  std::int64_t label(std::int64_t) const override { return 0; }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "noise"; }
  Sample read(std::int64_t) const override {
    Sample sample;
    sample.encoded.assign(file_.begin(), file_.end());
    return sample;
  }

 private:
  static Image noise() {
    Image image{256, 256, std::vector<std::uint8_t>(256 * 256 * 3)};
    Philox draws(1, Purpose::test, 0, 0);
    for (auto& v : image.rgb) v = static_cast<std::uint8_t>(draws.below(256));
    return image;
  }
  std::vector<std::byte> file_ = encode_jpeg(noise(), 90);
};

// Of several views each is cut out of the one whole picture: decoding for itself, at an eighth of the size,
// would give other pixels.
TEST(SeveralViews, AreOfOneDecoding) {
  const auto first_view = [](bool dct_scaling, std::size_t views) {
    TrainLoaderOptions plan;
    plan.lanes = {.seed = 5, .lanes = 2, .first_lane = 0, .end_lane = 2};
    plan.data.global_batch_size = 16;
    plan.views.front().image_size = 8;
    plan.views.front().augment.dct_scaling = dct_scaling;
    plan.views.resize(views, plan.views.front());
    TrainLoader loader(std::make_shared<JpegDataset>(), plan);
    return loader.next().views.front();
  };
  const PixelBuffer whole = first_view(false, 1);
  EXPECT_FALSE(first_view(true, 1) == whole);
  EXPECT_TRUE(first_view(true, 10) == whole);
}

// The file is gone once the first view is asked for: who decoded it again would find nothing.
TEST(SeveralViews, ASampleIsDecodedOnce) {
  constexpr std::int64_t kSize = 16;
  const std::vector<ViewPlan> views(10, ViewPlan{{}, kSize});
  const auto looked_at = [&](bool keep) {
    Sample sample = JpegDataset().read(0);
    std::vector<std::vector<float>> out(views.size(), std::vector<float>(3 * kSize * kSize));
    Transformer().train(sample, views, {.seed = 1}, Normaliser(kImageNet), [&](std::uint32_t view) {
      if (!keep) sample.encoded.clear();
      return std::span(out[view]);
    });
    return out;
  };
  const auto once = looked_at(false);
  EXPECT_EQ(once, looked_at(true));
  EXPECT_NE(once[0], once[1]);
}

}  // namespace
}  // namespace vitrail::datasets
