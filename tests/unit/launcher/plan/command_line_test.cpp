// Command lines of `plan`, and the plans of all recipes.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "launcher/plan/input.hpp"
#include "launcher/plan/listing.hpp"
#include "launcher/plan/search.hpp"
#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;
using WordList = std::vector<std::string>;

const WordList kPlan = {"plan", "--data.train", "packs/a", "--run.steps", "100", "--run.lanes", "16"};

PlanInput planned(const WordList& more) { return plan_input(parse_command_line(kPlan + more), 100); }

std::string told(const WordList& more) {
  try {
    planned(more);
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "";
}

TEST(PlanCommandLines, RanksHaveAPlace) {
  const auto places = [](const WordList& more) {
    const PlanInput in = planned(WordList{"--gpu", "a100"} + more);
    return std::pair(in.ranks, in.ranks_per_node);
  };
  using Places = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(places({}), Places(16, 8));
  EXPECT_EQ(places({"-n", "12"}), Places(12, 8));
  EXPECT_EQ(places({"-n", "12", "--nodes", "4"}), Places(12, 3));
  EXPECT_EQ(places({"--nodes", "2", "--gpus-per-node", "4"}), Places(8, 4));
  EXPECT_EQ(told({"--gpu", "a100", "-n", "12", "--nodes", "1"}),
            "78 --ranks 12 on 1 nodes of 8 GPUs: they do not go there one on each GPU, and on each node at "
            "least one");
}

TEST(PlanCommandLines, DevicesByNameAndByHand) {
  EXPECT_EQ(planned({"--gpu", "h100", "--precision.compute", "fp16"}).gpu.tflops, 989.4);
  EXPECT_EQ(planned({"--gpu", "h100"}).gpu.tflops, 66.9);
  EXPECT_EQ(planned({"--gpu", "a100", "--run.peak_tflops", "100"}).gpu.tflops, 100);
  EXPECT_EQ(planned({"--gpu", "a100", "--node-gb-per-s", "10"}).gpu.node_gb_per_s, 10);
  EXPECT_EQ(planned({"--gpu", "a100", "--mfu", "0.3"}).mfu, 0.3);
  EXPECT_EQ(planned({"--gpu", "a100", "--model.name", "cait_m48"}).mfu, 0.2);
  const WordList by_hand = {"--memory-gb", "8", "--run.peak_tflops", "0.1", "--memory-gb-per-s", "20"};
  EXPECT_EQ(planned(by_hand + WordList{"-n", "1"}).gpu.memory_gb, 8);
  EXPECT_EQ(planned(by_hand + WordList{"-n", "2", "--node-gb-per-s", "5"}).gpu.node_gb_per_s, 5);
}

TEST(PlanCommandLineErrors, AreOneLineThatNamesTheFlag) {
  EXPECT_EQ(told({}), "2 command line: `vitrail plan` needs --memory-gb, or a named --gpu");
  EXPECT_EQ(told({"--memory-gb", "8"}),
            "2 command line: `vitrail plan` needs --run.peak_tflops, or a named --gpu");
  const WordList by_hand = {"--memory-gb", "8", "--run.peak_tflops", "0.1", "--memory-gb-per-s", "20"};
  EXPECT_EQ(told(by_hand), "2 command line: `vitrail plan` needs --node-gb-per-s, or a named --gpu");
  EXPECT_EQ(told(by_hand + WordList{"--node-gb-per-s", "5"}),
            "2 command line: `vitrail plan` needs --network-gb-per-s, or a named --gpu");
  EXPECT_EQ(told({"--gpu", "h300"}),
            "2 command line: --gpu h300: expected by-hand, v100-16, v100, a100-40, a100, h100 or h200");
  EXPECT_EQ(told({"--gpu", "v100", "--precision.compute", "bf16"}),
            "78 precision.compute = bf16 with --gpu v100: it has no matrix products of bf16");
  EXPECT_EQ(told({"--gpu", "a100", "--mfu", "40"}), "2 command line: --mfu 40: expected a number, > 0, <= 1");
  EXPECT_EQ(told({"--gpu", "a100", "--up-to", "64", "-n", "4"}),
            "2 command line: --ranks: nothing uses this when up-to = 64 (it needs no --up-to)");
  EXPECT_THAT(told({"--gpu", "a100", "--data.global_batch_size", "24"}), HasSubstr("78 "));
  EXPECT_EQ(refusal(minimal_training() + WordList{"--gpu", "a100"}),
            "2 command line: --gpu: `vitrail train` does not use this; it is of plan; nearest known key: "
            "run.device");
}

// All numbers below an object, by "step.total_s".
void for_each_number(const nlohmann::json& value, const std::string& name,
                     const std::function<void(std::string, double)>& visit) {
  for (const auto& [key, inner] : value.items()) {
    const std::string path = name.empty() ? key : fmt::format("{}.{}", name, key);
    if (inner.is_structured()) for_each_number(inner, path, visit);
    if (inner.is_null()) visit(path, std::nan(""));  // JSON's way to write what is no number
    if (inner.is_number()) visit(path, inner.get<double>());
  }
}

const fs::path kConfigs = fs::path(VITRAIL_FIXTURES) / "../../configs";

PlanInput recipe(const fs::path& file, const std::string& gpu, const WordList& more = {}) {
  const CommandLine line =
      parse_command_line(WordList{"plan", "--config", file.string(), "--gpu", gpu} + more);
  const std::int64_t images = published_images(line.config.data.train);
  return plan_input(line, line.config.run.epochs * (images / line.config.data.global_batch_size));
}

// One for each network, task and number of lanes: with its searches a plan takes a third of a second.
TEST(PlanListings, EveryKindOfRecipeHasFiniteFigures) {
  std::set<std::tuple<std::string, trainer::TaskName, std::int64_t>> seen;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".cfg") continue;
    const PlanInput in = recipe(entry.path(), "h100");
    if (!seen.emplace(in.config.model.name, in.config.task.name, in.config.run.lanes).second) continue;
    const nlohmann::json plan = nlohmann::json::parse(plan_json(in, std::nullopt));
    for_each_number(plan, "", [&](const std::string& name, double value) {
      EXPECT_TRUE(std::isfinite(value) && value >= 0) << entry.path() << ": " << name << " = " << value;
    });
    EXPECT_TRUE(plan.at("estimate")) << entry.path();
    for (const char* some : {"images_per_s", "hours", "gpu_hours"})
      EXPECT_GT(plan.at(some), 0) << entry.path();
    EXPECT_TRUE(plan.at("memory_bytes").at("fits")) << entry.path();
  }
  EXPECT_GT(seen.size(), 60U);
}

// "Estimated: 1,400 A100-hours", wherever its line ends.
std::optional<double> estimate_in(const fs::path& file) {
  const std::string text = std::regex_replace(read_text(file.string()), std::regex("\\n# *"), " ");
  std::smatch found;
  if (!std::regex_search(text, found, std::regex("Estimated: ([0-9,.]+) A100-hours"))) return std::nullopt;
  return std::stod(std::regex_replace(found[1].str(), std::regex(","), ""));
}

// Two digits are printed, whole hours from one on.
TEST(PlanListings, HeadersOfRecipesSayWhatPlansSay) {
  std::size_t estimates = 0;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".cfg" || entry.path().stem() == "quickstart" ||
        entry.path().stem() == "few_labels")
      continue;
    const auto estimate = estimate_in(entry.path());
    ASSERT_TRUE(estimate) << entry.path();
    const PlanInput in = recipe(entry.path(), "a100");
    const double hours = plan_cluster(in).gpu_hours(in);
    EXPECT_NEAR(*estimate, hours, std::max(hours < 1 ? 0.05 : 0.5, 0.051 * hours)) << entry.path();
    ++estimates;
  }
  EXPECT_GT(estimates, 110U);
}

// Where this fails after a wanted change: the commands above the tables print them anew.
TEST(PlanListings, TablesOfTheRecipesAreTheCommands) {
  const std::string page = read_text((kConfigs / "README.md").string());
  for (const std::string name : {"vit_h_21k", "cait_m48_1k"}) {
    const std::string text = plans_text(recipe(kConfigs / (name + ".cfg"), "h100"), 512);
    EXPECT_NE(page.find(text.substr(text.find("\n\n"))), std::string::npos) << text;
    std::string most = fmt::format("| `{}` | h100 |", name);
    for (const std::string sum_type : {"fp32", "compute"}) {
      const PlanInput in = recipe(kConfigs / (name + ".cfg"), "h100", {"--sharding.sum_type", sum_type});
      for (const std::int64_t batch : kNamedBatches)
        most += fmt::format(" {} |", most_ranks(in, batch, kAcceptedShare));
    }
    EXPECT_NE(page.find(most + "\n"), std::string::npos) << most;
  }
}

// What the exchange plans were made for. Goals are of 4, 8 and 32 nodes of 8; sharding/README.md tells what
// is left of the last one's step.
TEST(PlanListings, ExchangesOfTheLargeRecipesAreNearlyHidden) {
  struct Goal {
    std::string recipe;
    WordList words;
    double most;
  };
  const Goal goals[] = {
      {"vit_h_21k", {"-n", "32"}, 0.08},
      {"vit_h_21k", {"-n", "64", "--run.lanes", "64"}, 0.25},
      {"cait_m48_1k", {"-n", "32"}, 0.08},
      {"vit_h_21k", {"-n", "256", "--run.lanes", "256", "--data.global_batch_size", "8192"}, 0.15}};
  for (const auto& [name, words, most] : goals) {
    const PlanInput in = recipe(kConfigs / (name + ".cfg"), "h100", words);
    const PlannedStep step = plan_cluster(in).step;
    EXPECT_LE(step.exposed_share(), most) << name << " on " << in.ranks;
    if (in.ranks < 256) continue;
    const std::string told =
        fmt::format("{:.1f} % of a step of {:.1f} ms", 100 * step.exposed_share(), 1e3 * step.total());
    EXPECT_NE(read_text((kConfigs / "../sharding/README.md").string()).find(told), std::string::npos) << told;
  }
}

TEST(PlanListings, ATableHasARowForEachPowerOfTwo) {
  const PlanInput in = planned({"--gpu", "a100", "--up-to", "8"});
  const nlohmann::json rows = nlohmann::json::parse(plans_json(in, 8)).at("rows");
  ASSERT_EQ(rows.size(), 4U);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].at("ranks"), 1 << i);
  EXPECT_THAT(plans_text(in, 8), HasSubstr("\n| 8 | 16 | "));
}

class MeasuredRuns : public ::testing::Test {
 protected:
  std::string run(const std::string& text) { return config_file(text, "metrics.jsonl"); }
};

TEST_F(MeasuredRuns, AreMediansWithoutTheBeginning) {
  std::string text;
  for (const int seconds : {100, 100, 4, 4, 2, 9, 4, 4}) {
    text +=
        fmt::format(R"({{"seconds": {}.0, "images_per_s": {}.0, "comm_exposed": 0.5, "memory_bytes": {}}})",
                    seconds, 64 / seconds, seconds * 1000) +
        "\n";
  }
  text += R"({"step": 8, "eval": {"images": 1}})"
          "\n";
  const std::string file = run(text);
  for (const std::string& path : {file, fs::path(file).parent_path().string()}) {
    const MeasuredRun measured = read_measured(path);
    EXPECT_EQ(measured.steps, 6);
    EXPECT_EQ(measured.step_s, 4);
    EXPECT_EQ(measured.images_per_s, 16);
    EXPECT_EQ(measured.exposed_s, 0.5);
    EXPECT_EQ(measured.memory_bytes, 9000);
  }
}

TEST_F(MeasuredRuns, StandBesideThePlan) {
  PlanInput in = planned({"--gpu", "a100", "-n", "2"});
  const ClusterPlan plan = plan_cluster(in);
  const MeasuredRun twice{.steps = 1, .step_s = 2 * plan.step.total(), .images_per_s = plan.images_per_s / 2};
  const auto rows = compare(plan, twice);
  EXPECT_NEAR(rows[0].error_percent(), -50, 1e-9);
  EXPECT_NEAR(rows[1].error_percent(), 100, 1e-9);
  in.mfu = fitting_mfu(in, plan, twice);
  EXPECT_NEAR(plan_cluster(in).step.total(), twice.step_s, 0.02 * twice.step_s);  // overlap changes a little
  EXPECT_THAT(plan_text(in, twice), HasSubstr("error %"));
}

TEST_F(MeasuredRuns, ThatAreNoneAreRefused) {
  EXPECT_THROW(read_measured("/nowhere/at/all"), Error);
  EXPECT_THROW(read_measured(run("")), Error);
  EXPECT_THROW(read_measured(run("{\"seconds\": \"nan\", \"comm_exposed\": 0}\n")), Error);
  EXPECT_THROW(read_measured(run("{\"seconds\": 1, \"comm_exposed\": 0, \"memory_bytes\": 1}\n")), Error);
  EXPECT_THROW(read_measured(run("{\"seconds\": 1, \"comm_exposed\": 0, \"images_per_s\": 1}\n")), Error);
}

}  // namespace
}  // namespace vitrail::launcher
