#include "trainer/watch/step_trace.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace vitrail::trainer {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = TraceTrack::Kind;
using std::chrono::microseconds;

const StepTrace::Clock::time_point kBegin = StepTrace::Clock::now();

void add(StepTrace& trace, const char* name, TraceTrack track, int from, int to,
         std::optional<std::uint64_t> call = {}) {
  trace.add(name, track, kBegin + microseconds(from), kBegin + microseconds(to), call);
}

std::vector<json> events_of(const std::string& file, const char* part) {
  std::vector<json> found;
  const json all = json::parse(file);
  for (const json& event : all.at("traceEvents")) {
    if (event["ph"] == part) found.push_back(event);
  }
  return found;
}

TEST(StepTrace, NamesRanksWithTheirNodesAndAllRows) {
  StepTrace trace;
  add(trace, "forward", {}, 0, 5);
  add(trace, "image", {Kind::worker, 2}, 1, 2);
  add(trace, "aten::mm", {Kind::operators, 0}, 1, 2);
  add(trace, "gemm", {Kind::stream, 7}, 1, 2);
  add(trace, "before", {}, -5, -1);
  std::vector<std::string> names;
  const std::string file = trace_file({trace.events(0, "n\"1", kBegin)});
  for (const json& label : events_of(file, "M")) {
    if (label["name"] != "process_sort_index") names.push_back(label["args"]["name"]);
  }
  EXPECT_THAT(
      names, ElementsAre("rank 0 on n\"1", "computation", "loader 3", "operators, thread 1", "GPU stream 7"));
  const std::vector<json> spans = events_of(file, "X");
  ASSERT_EQ(spans.size(), 4);
  EXPECT_EQ(spans[0]["ts"], 0.0);
  EXPECT_EQ(spans[0]["dur"], 5.0);
}

// Rank 1 comes last to the first call, rank 0 to the second; of the third one rank's part is missing.
TEST(StepTrace, ArrowsLeadFromTheRankThatCameLastToThoseThatWaited) {
  StepTrace first, second;
  const TraceTrack track{Kind::communication};
  add(first, "exchange", track, 10, 50, 4);
  add(first, "exchange", track, 90, 100, 5);
  add(first, "exchange", track, 110, 120, 6);
  add(second, "exchange", track, 40, 51, 4);
  add(second, "exchange", track, 60, 101, 5);
  const std::string file = trace_file({first.events(0, "a", kBegin), second.events(1, "b", kBegin)});
  const std::vector<json> from = events_of(file, "s"), to = events_of(file, "f");
  ASSERT_EQ(from.size(), 2);
  ASSERT_EQ(to.size(), 2);
  EXPECT_EQ(from[0]["pid"], 1);
  EXPECT_EQ(from[0]["ts"], 40.0);
  EXPECT_EQ(to[0]["pid"], 0);
  EXPECT_NEAR(to[0]["ts"], 50, 0.1);
  EXPECT_EQ(from[1]["pid"], 0);
  EXPECT_EQ(to[1]["pid"], 1);
  EXPECT_EQ(from[1]["id"], to[1]["id"]);
  EXPECT_NE(from[0]["id"], from[1]["id"]);
}

}  // namespace
}  // namespace vitrail::trainer
