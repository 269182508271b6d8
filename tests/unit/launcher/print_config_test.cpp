#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launcher/options/options.hpp"
#include "launcher/options/options_text.hpp"
#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::array<const char*, 4> kConfigured = {"train", "launch", "eval", "models"};

CommandLine reparse(const CommandLine& line) {
  const std::string file = config_file(print_config(line));
  return parse_command_line({line.command->name, "--config", file, "--print-config"});
}

void expect_reparses(const CommandLine& line) {
  const CommandLine again = reparse(line);
  EXPECT_EQ(again.answer->text, print_config(line));
  for (const Option& option : make_options()) {
    if (option.is_setting() && option.used_by(*line.command) && option.unmet(line) == nullptr) {
      EXPECT_EQ(option.get(again), option.get(line)) << option.key;
    }
  }
}

// Texts of every type, good and bad: an option takes those it can.
std::string random_text(Philox& random) {
  switch (random.below(8)) {
    case 0:
      return random.below(2) == 0 ? "true" : "false";
    case 1:
      return std::to_string(std::uint64_t{1} << random.below(40));
    case 2:
      return std::to_string(random.below(1000));
    case 3:
      return *trainer::show(random.uniform());
    case 4:
      return *trainer::show(std::ldexp(random.uniform(), -static_cast<int>(random.below(60))));
    case 5:
      return format(Duration{static_cast<std::int64_t>(random.below(5000)),
                             static_cast<Duration::Unit>(random.below(3))});
    case 6:
      return std::vector<std::string>{"",      "tensor:a b.safetensors", "x=y [z]", "auto",
                                      "a,b;c", "0.5,0.25,0.125"}[random.below(6)];
    default:
      return std::vector<std::string>{
          "cosine",     "constant", "adamw",  "lamb",          "ce",
          "bce",        "rrc",      "none",   "cpu",           "fp64",
          "sequential", "mpi",      "mpirun", "local",         "fp32",
          "bicubic",    "raw",      "pixel",  "pair",          "rand-m9-mstd0.5-inc1",
          "off",        "fast",     "fresh",  "copy:0:1:hang", "knn",
          "last:2",     "mae",      "mean",   "five"}[random.below(29)];
  }
}

// Sets `option` to a random text that it takes.
void set_randomly(const Option& option, CommandLine& line, Philox& random) {
  for (int tries = 0; tries < 10000; ++tries) {
    if (option.set(line, random_text(random))) return;
  }
  ADD_FAILURE() << option.key << " took none of 10000 texts";
}

TEST(PrintConfig, ReparsesToItselfForAnyValues) {
  for (std::uint64_t round = 0; round < 100; ++round) {
    Philox random(2, Purpose::test, round, 0);
    CommandLine line(command_named(kConfigured[round % kConfigured.size()]));
    for (const Option& option : make_options()) {
      if (option.is_setting() && option.used_by(*line.command) && random.below(4) != 0)
        set_randomly(option, line, random);
    }
    expect_reparses(line);
  }
}

TEST(PrintConfig, EveryBoundItselfIsTakenAndReparses) {
  for (const Option& option : make_options()) {
    if (!option.is_setting()) continue;
    const trainer::Bounds& bounds = option.about.bounds;
    for (const auto& [bound, excluded] :
         {std::pair(bounds.low, bounds.low_excluded), std::pair(bounds.high, bounds.high_excluded)}) {
      CommandLine line;
      if (bound) {
        EXPECT_EQ(option.set(line, *trainer::show(static_cast<double>(*bound))), !excluded)
            << option.key << " " << *bound;
      }
    }
  }
}

// What the trainer keeps of a run and what the command line prints of it are the same.
TEST(PrintConfig, IsWhatARunKeepsOfItsConfig) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    Philox random(3, Purpose::test, round, 0);
    CommandLine line(command_named("train"));
    for (const Option& option : make_options()) {
      if (option.is_setting() && option.used_by(*line.command) && random.below(3) != 0)
        set_randomly(option, line, random);
    }
    EXPECT_EQ(trainer::config_text(line.config), print_config(line));
    EXPECT_EQ(trainer::settings_of(line.config), resolved_settings(line));
  }
}

TEST(PrintConfig, DefaultsReparse) {
  for (const char* name : kConfigured) expect_reparses(CommandLine(command_named(name)));
}

TEST(PrintConfig, PrintsOnlyWhatIsUsed) {
  const CommandLine line = parse_command_line(
      minimal_training() +
      std::vector<std::string>{"--schedule.name", "constant", "--data.train", "tensor:a", "--print-config"});
  const std::string& text = line.answer->text;
  EXPECT_EQ(line.answer->code, ExitCode::done);
  EXPECT_THAT(text, ::testing::HasSubstr(
                        "[run]\nname = default\ndir =\nseed = 0\nlanes = 1\nepochs = 0\nsteps = 20\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("[schedule]\nname = constant\nwarmup = 0st\nper_epoch = off\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("[augment]\nmixup = 0\n"));
  for (const char* absent : {"warmup_lr", "min_lr", "[launch]", "evaluate", "depth", "crop", "flip"}) {
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr(absent)));
  }
}

TEST(PrintConfig, WorksBeforeTheRunIsComplete) {
  EXPECT_EQ(refusal({"train", "--print-config"}), "");
  EXPECT_NE(refusal({"train", "--print-config", "--run.lanes", "3"}), "");
}

TEST(SplitFile, FollowsSections) {
  const auto settings = split_file("f", "a.b = 1\n[s]\nk=v = w\n[t]  # why\n k2 =  x y  # z\n");
  ASSERT_EQ(settings.size(), 3u);
  EXPECT_EQ(settings[0].key, "a.b");
  EXPECT_EQ(settings[1].key, "s.k");
  EXPECT_EQ(settings[1].value, "v = w");
  EXPECT_EQ(settings[2].key, "t.k2");
  EXPECT_EQ(settings[2].value, "x y");
  EXPECT_EQ(settings[2].place, "f:5");
}

}  // namespace
}  // namespace vitrail::launcher
