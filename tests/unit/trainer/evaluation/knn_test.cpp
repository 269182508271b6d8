#include "trainer/evaluation/knn.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ATen/ATen.h>

#include "tests/support/thread_world.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kLanesOfSets = 4, kClassesOfSets = 7;

class KnnTest : public ::testing::Test {
 protected:
  at::Tensor rows(const std::string& name) const {
    return at::tensor(file_.read_as_double(name), at::kDouble).view(file_.info(name).shape).to(at::kFloat);
  }
  std::vector<std::int64_t> labels(const std::string& name) const {
    std::vector<std::int64_t> values(static_cast<std::size_t>(file_.info(name).shape[0]));
    file_.read(name, std::as_writable_bytes(std::span(values)));
    return values;
  }
  // The lanes of one rank.
  FeatureSet set_of(const std::string& name, const sharding::Communicator& ranks) const {
    const at::Tensor all = rows(name);
    const std::vector<std::int64_t> of_all = labels(name + "_labels");
    FeatureSet set{all.size(0), kLanesOfSets, all.size(1), {}};
    for (std::int64_t lane = ranks.rank() * kLanesOfSets / ranks.size();
         lane < (ranks.rank() + 1) * kLanesOfSets / ranks.size(); ++lane) {
      LaneFeatures own{lane, {}, all.slice(0, lane, all.size(0), kLanesOfSets).contiguous()};
      for (std::int64_t i = lane; i < all.size(0); i += kLanesOfSets)
        own.labels.push_back(of_all[static_cast<std::size_t>(i)]);
      set.own.push_back(own);
    }
    return set;
  }

  SafetensorsReader file_{VITRAIL_FIXTURES "/trainer/knn.safetensors"};
};

TEST_F(KnnTest, AccuraciesAreTorchsAtAnyNumberOfRanks) {
  const auto cases = nlohmann::json::parse(file_.metadata().at("cases"));
  ASSERT_EQ(cases.size(), 5U);
  for (const int ranks : {1, 2, 3, 4}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      for (const auto& [name, expected] : cases.items()) {
        const auto metrics = classify_by_neighbours(
            set_of("known", communicator), set_of("asked", communicator),
            {kClassesOfSets, expected.at("k").get<std::int64_t>(), expected.at("temperature").get<double>()},
            communicator);
        EXPECT_EQ(metrics.images, 90) << name;
        EXPECT_NEAR(metrics["top1"], expected.at("top1").get<double>(), 1e-9)
            << name << ", " << ranks << " ranks";
        EXPECT_NEAR(metrics["top5"], expected.at("top5").get<double>(), 1e-9)
            << name << ", " << ranks << " ranks";
      }
    });
  }
}

TEST_F(KnnTest, MeanAveragePrecisionsAreTorchsAtAnyNumberOfRanks) {
  const auto expected = nlohmann::json::parse(file_.metadata().at("retrieval"));
  for (const int ranks : {1, 2, 3, 4}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      KnnOptions options{kClassesOfSets};
      options.retrieval = true;
      const auto plain = classify_by_neighbours(set_of("known", communicator), set_of("asked", communicator),
                                                options, communicator);
      options.coarse_of = expected.at("coarse_of").get<std::vector<std::int64_t>>();
      const auto given = classify_by_neighbours(set_of("known", communicator), set_of("asked", communicator),
                                                options, communicator);
      EXPECT_EQ(plain.list.size(), 3U);
      EXPECT_EQ(plain["map"], given["map"]);
      for (const char* const name : {"map", "map_conditional", "map_oracle"})
        EXPECT_NEAR(given[name], expected.at(name).get<double>(), 1e-9) << name << ", " << ranks << " ranks";
    });
  }
  EXPECT_GT(expected.at("map_oracle").get<double>(), expected.at("map").get<double>() + 5);
}

// The relevant ones come last of all that are alike: 1/299, 2/300.
TEST_F(KnnTest, OfEqualImagesTheLowerIsRankedFirst) {
  tests::run_world(3, [&](sharding::Communicator& communicator) {
    FeatureSet known = set_of("known", communicator);
    for (LaneFeatures& lane : known.own) {
      lane.rows = at::ones_like(lane.rows);
      for (std::size_t i = 0; i < lane.labels.size(); ++i)
        lane.labels[i] = lane.lane + kLanesOfSets * static_cast<std::int64_t>(i) < 298 ? 0 : 6;
    }
    FeatureSet asked = set_of("asked", communicator);
    for (LaneFeatures& lane : asked.own) std::fill(lane.labels.begin(), lane.labels.end(), 6);
    KnnOptions options{kClassesOfSets};
    options.retrieval = true;
    EXPECT_NEAR(classify_by_neighbours(known, asked, options, communicator)["map"],
                100 * (1.0 / 299 + 2.0 / 300) / 2, 1e-12);
  });
}

TEST_F(KnnTest, TheNumberOfNeighboursIsTheOneThatKnownImagesTellByThemselves) {
  const auto expected = nlohmann::json::parse(file_.metadata().at("cross_validated"));
  for (const int ranks : {1, 3}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      KnnOptions options{kClassesOfSets};
      options.cross_validated = true;
      const auto scores = classify_by_neighbours(set_of("known", communicator), set_of("asked", communicator),
                                                 options, communicator);
      EXPECT_EQ(scores.neighbours, expected.at("k").get<std::int64_t>());
      EXPECT_NEAR(scores["top1"], expected.at("top1").get<double>(), 1e-9);
    });
  }
}

// Whatever is made of its black picture.
TEST_F(KnnTest, AnImageThatCannotBeDecodedHasNoSay) {
  const auto damaged = [](const LaneFeatures& lane, std::size_t i) {
    return (lane.lane + kLanesOfSets * static_cast<std::int64_t>(i)) % 5 == 0;
  };
  const auto scores_with = [&](sharding::Communicator& communicator, double looks, bool is_known,
                               KnnOptions options) {
    FeatureSet known = set_of("known", communicator), asked = set_of("asked", communicator);
    for (LaneFeatures& lane : known.own) {
      for (std::size_t i = 0; i < lane.labels.size(); ++i) {
        if (!damaged(lane, i)) continue;
        const at::Tensor like = rows("asked").mean(0);
        lane.rows[static_cast<std::int64_t>(i)] = looks * like;
        if (!is_known) lane.labels[i] = kNotKnown;
      }
    }
    return classify_by_neighbours(known, asked, options, communicator);
  };
  for (const int ranks : {1, 3}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      KnnOptions all{kClassesOfSets};
      all.retrieval = all.cross_validated = true;
      const Scores near = scores_with(communicator, 1, false, all),
                   far = scores_with(communicator, -1, false, all);
      EXPECT_EQ(near.neighbours, far.neighbours);
      for (const char* const name : {"top1", "top5", "map"}) EXPECT_EQ(near[name], far[name]) << name;
      EXPECT_NE(near["map"], scores_with(communicator, 1, true, all)["map"]);
      const KnnOptions votes{kClassesOfSets, 5};
      EXPECT_NE(scores_with(communicator, 1, true, votes)["top1"],
                scores_with(communicator, 1, false, votes)["top1"]);
    });
  }
}

// All known images alike: only numbers tell them apart.
TEST_F(KnnTest, OfEqualNeighboursTheLowerImageCounts) {
  for (const int ranks : {1, 2, 4}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      FeatureSet known = set_of("known", communicator);
      for (LaneFeatures& lane : known.own) {
        lane.rows = at::ones_like(lane.rows);
        for (std::size_t i = 0; i < lane.labels.size(); ++i)
          lane.labels[i] = lane.lane + kLanesOfSets * static_cast<std::int64_t>(i) < 3 ? 6 : 0;
      }
      FeatureSet asked = set_of("asked", communicator);
      for (LaneFeatures& lane : asked.own) std::fill(lane.labels.begin(), lane.labels.end(), 6);
      EXPECT_EQ(classify_by_neighbours(known, asked, {kClassesOfSets, 3, 0.07}, communicator)["top1"], 100);
      EXPECT_EQ(classify_by_neighbours(known, asked, {kClassesOfSets, 7, 0.07}, communicator)["top1"], 0);
    });
  }
}

TEST_F(KnnTest, LabelsOutsideTheClassesAreRefused) {
  tests::run_world(1, [&](sharding::Communicator& communicator) {
    EXPECT_THROW(classify_by_neighbours(set_of("known", communicator), set_of("asked", communicator),
                                        {.classes = 3}, communicator),
                 Error);
  });
}

}  // namespace
}  // namespace vitrail::trainer
