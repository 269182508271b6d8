#include "launcher/doctor/facts/links.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "sharding/device/buffer.hpp"
#include "trainer/base/median.hpp"

namespace vitrail::launcher {
namespace {

using sharding::Communicator;
using sharding::Segment;

constexpr std::int64_t kFewElements = 1, kManyElements = 16 << 20;  // of fp32: 4 bytes, 64 MiB
constexpr double kSecondsOfACall = 0.04;                            // that one with many bytes may take

// Round `round` of a tournament of `players` (even): who meets whom; each two meet once in players - 1
// rounds.
int opponent(int player, int round, int players) {
  const int last = players - 1;
  if (player == last) return round % last;
  const int other = ((2 * round - player) % last + last) % last;
  return other == player ? last : other;
}

// Evenly evenly_chosen ones of 0 .. count - 1.
std::vector<int> evenly_chosen(int count, std::size_t most) {
  std::vector<int> rounds;
  const std::size_t taken = std::min<std::size_t>(most, static_cast<std::size_t>(std::max(count, 0)));
  for (std::size_t i = 0; i < taken; ++i)
    rounds.push_back(static_cast<int>(i * static_cast<std::size_t>(count) / taken));
  return rounds;
}

int even(int count) { return count + count % 2; }

std::vector<std::vector<int>> ranks_of_nodes(const sharding::Topology& topology) {
  std::vector<std::vector<int>> nodes(static_cast<std::size_t>(topology.nodes()));
  for (int rank = 0; rank < topology.ranks(); ++rank)
    nodes[static_cast<std::size_t>(topology.node_of[static_cast<std::size_t>(rank)])].push_back(rank);
  return nodes;
}

void pair_up(LinkRound& round, int a, int b) {
  round.partner[static_cast<std::size_t>(a)] = b;
  round.partner[static_cast<std::size_t>(b)] = a;
}

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::vector<double> from_all(Communicator& ranks, double own) {
  std::vector<double> values(static_cast<std::size_t>(ranks.size()));
  values[static_cast<std::size_t>(ranks.rank())] = own;
  ranks.all_reduce_sum(values);
  return values;
}

double largest(Communicator& ranks, double own) { return std::ranges::max(from_all(ranks, own)); }

// The median time of calls, after one that warms up.
double median_of(Communicator& ranks, int calls, const auto& work) {
  ranks.barrier();
  work();
  std::vector<double> times;
  for (int call = 0; call < calls; ++call) times.push_back(seconds_of(work));
  return upper_median(times);
}

// So many elements that the slowest rank's call takes about the wanted time.
std::int64_t fitting(Communicator& ranks, std::int64_t most, const auto& call_with) {
  std::int64_t elements = std::min<std::int64_t>(most, 64 << 10);
  for (;;) {
    const double seconds = largest(ranks, median_of(ranks, 1, [&] { call_with(elements); }));
    if (elements == most || seconds > kSecondsOfACall / 2) return elements;
    const double factor = std::clamp(kSecondsOfACall / std::max(seconds, 1e-6), 2.0, 16.0);
    elements = std::min(most, static_cast<std::int64_t>(std::lround(factor * static_cast<double>(elements))));
  }
}

class Pairs {
 public:
  Pairs(Communicator& ranks, sharding::Device& device)
      : ranks_(ranks),
        out_(DataType::f32, kManyElements, device),
        in_(DataType::f32, kManyElements, device) {}

  void exchange(int partner, std::int64_t elements) {
    std::vector<sharding::Outgoing> send;
    std::vector<sharding::Incoming> receive;
    if (partner >= 0) {
      send.push_back({partner, out_.data(), elements});
      receive.push_back({partner, in_.data(), elements});
    }
    ranks_.exchange(send, receive, DataType::f32);
  }

 private:
  Communicator& ranks_;
  sharding::Buffer out_, in_;
};

void measure_pairs(Communicator& ranks, sharding::Device& device, const std::vector<LinkRound>& rounds,
                   std::vector<Link>& links) {
  constexpr int kMessages = 15, kCalls = 3;
  Pairs pairs(ranks, device);
  std::int64_t elements[2] = {0, 0};  // by kind
  for (const LinkRound& round : rounds) {
    const int partner = round.partner[static_cast<std::size_t>(ranks.rank())];
    std::int64_t& many = elements[round.across ? 1 : 0];
    if (many == 0) many = fitting(ranks, kManyElements, [&](std::int64_t n) { pairs.exchange(partner, n); });
    const double message = median_of(ranks, kMessages, [&] { pairs.exchange(partner, kFewElements); });
    const double whole = median_of(ranks, kCalls, [&] { pairs.exchange(partner, many); });
    const std::vector<double> messages = from_all(ranks, message), wholes = from_all(ranks, whole);
    for (int rank = 0; rank < ranks.size(); ++rank) {
      const int peer = round.partner[static_cast<std::size_t>(rank)];
      if (peer < rank) continue;
      const auto slower = [&](const std::vector<double>& of) {
        return std::max(of[static_cast<std::size_t>(rank)], of[static_cast<std::size_t>(peer)]);
      };
      links.push_back({rank, peer, round.across, slower(messages),
                       4 * static_cast<double>(many) / std::max(slower(wholes), 1e-9)});
    }
  }
}

// As gradients and weights travel: each rank's share summed there, and given to all.
void measure_all_reduce(Communicator& ranks, sharding::Device& device, LinkFacts& facts) {
  constexpr int kCalls = 3;
  const std::int64_t size = ranks.size(), most = std::max<std::int64_t>(kManyElements / size, 1);
  sharding::Buffer whole(DataType::f32, most * size, device), own(DataType::f32, most, device);
  const auto call = [&](std::int64_t share) {
    std::vector<Segment> segments;
    for (std::int64_t rank = 0; rank < size; ++rank) segments.push_back({rank * share, share});
    ranks.reduce_scatter(whole.data(), own.data(), share, DataType::f32);
    ranks.all_gather(whole.data(), segments, DataType::f32);
  };
  const std::int64_t share = fitting(ranks, most, call);
  facts.all_reduce_s = largest(ranks, median_of(ranks, kCalls, [&] { call(share); }));
  facts.all_reduce_bytes = 4 * static_cast<double>(share * size);
}

}  // namespace

std::vector<LinkRound> link_rounds(const sharding::Topology& topology, std::size_t most) {
  const std::vector<std::vector<int>> nodes = ranks_of_nodes(topology);
  std::size_t fullest = 0;
  for (const auto& ranks : nodes) fullest = std::max(fullest, ranks.size());
  std::vector<LinkRound> rounds;
  const auto add = [&](bool across) -> LinkRound& {
    return rounds.emplace_back(LinkRound{across, std::vector<int>(topology.node_of.size(), -1)});
  };
  const int players = even(static_cast<int>(fullest));
  for (const int number : evenly_chosen(players - 1, most)) {
    if (fullest < 2) break;
    LinkRound& round = add(false);
    for (const auto& ranks : nodes) {
      for (int a = 0; a < static_cast<int>(ranks.size()); ++a) {
        const int b = opponent(a, number, players);
        if (b > a && b < static_cast<int>(ranks.size()))
          pair_up(round, ranks[static_cast<std::size_t>(a)], ranks[static_cast<std::size_t>(b)]);
      }
    }
  }
  const int count = topology.nodes(), even_nodes = even(count);
  for (const int number : evenly_chosen(even_nodes - 1, most)) {
    if (count < 2) break;
    LinkRound& round = add(true);
    for (int a = 0; a < count; ++a) {
      const int b = opponent(a, number, even_nodes);
      if (b <= a || b >= count) continue;
      const auto &left = nodes[static_cast<std::size_t>(a)], &right = nodes[static_cast<std::size_t>(b)];
      for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) pair_up(round, left[i], right[i]);
    }
  }
  return rounds;
}

LinkFacts measure_links(Communicator& ranks, sharding::Device& device, const sharding::Topology& topology) {
  LinkFacts facts;
  if (ranks.size() == 1) return facts;
  measure_pairs(ranks, device, link_rounds(topology), facts.links);
  measure_all_reduce(ranks, device, facts);
  return facts;
}

}  // namespace vitrail::launcher
