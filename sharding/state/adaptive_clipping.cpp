#include "sharding/state/adaptive_clipping.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>

namespace vitrail::sharding {
namespace {

constexpr double kLeastWeights = 1e-3, kLeastGradient = 1e-6;  // timm's

// The part of a unit that lies in one piece: elements.
struct UnitPart {
  std::int64_t unit = 0;      // of the parameter
  std::int64_t in_piece = 0;  // first element, counted in the piece
  std::int64_t elements = 0;
  bool whole = false;
  bool last = false;  // of several in its piece
};

template <class Each>
void for_each_part(const Piece& piece, std::int64_t unit, const Each& each) {
  for (std::int64_t begin = 0; begin < piece.elements;) {
    const std::int64_t at = piece.in_parameter + begin;
    const std::int64_t elements = std::min(unit - at % unit, piece.elements - begin);
    each(UnitPart{at / unit, begin, elements, elements == unit,
                  begin > 0 && begin + elements == piece.elements});
    begin += elements;
  }
}

std::vector<UpdateRun> runs_of(const UnitPart& part, const Piece& piece, LaneState& state,
                               GradientReducer& gradients) {
  const auto width = static_cast<std::int64_t>(size_of(state.type()));
  std::vector<UpdateRun> runs;
  for (std::int64_t first = 0; first < part.elements; first += kUpdateRun) {
    const std::int64_t at = part.in_piece + first;
    UpdateRun& run = runs.emplace_back();
    run.elements = std::min(kUpdateRun, part.elements - first);
    run.sum = gradients.sum(piece.bucket) + (state.offset_of(piece) + at) * width;
    run.weight = state.piece(StateKind::weight, piece) + at * width;
  }
  return runs;
}

// Runs, and by part of a unit: whose they are, and which of them.
struct Parts {
  struct Own {
    std::size_t piece;
    UnitPart part;
    std::size_t begin, end;  // of the runs
  };
  std::vector<UpdateRun> runs;
  std::vector<Own> parts;

  void add(std::size_t index, const UnitPart& part, LaneState& state, GradientReducer& gradients) {
    const std::size_t begin = runs.size();
    for (const UpdateRun& run : runs_of(part, state.plan().pieces[index], state, gradients))
      runs.push_back(run);
    parts.push_back({index, part, begin, runs.size()});
  }
};

Squares total(std::span<const Squares> squares) {
  Squares sum;
  for (const Squares& s : squares) {
    sum.first += s.first;
    sum.second += s.second;
  }
  return sum;
}

// Where the squares of a part of a unit are found, and those of the weights after it.
std::size_t column_of(const UnitPart& part, std::size_t norm) { return norm + (part.last ? 3 : 1); }

void scale_runs(LaneState& state, std::vector<UpdateRun>& runs) {
  std::erase_if(runs, [](const UpdateRun& run) { return run.factor == 1; });
  state.device().compute().update(UpdateKernel::scale, state.type(), runs, {});
}

}  // namespace

double AdaptiveClipping::factor(const Squares& gradient_and_weight, double scale) const {
  const double gradient = std::sqrt(gradient_and_weight.first) * scale;
  const double most = std::max(std::sqrt(gradient_and_weight.second), kLeastWeights) * share_;
  return gradient < most ? 1 : most / std::max(gradient, kLeastGradient);
}

void AdaptiveClipping::clip_whole_units(LaneState& state, GradientReducer& gradients, double scale,
                                        PerTensorSums& sums, std::size_t norm) const {
  const auto& pieces = state.plan().pieces;
  Parts own;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const std::int64_t unit = units_[pieces[p].parameter];
    if (!state.owns(pieces[p]) || unit == 0) continue;
    sums.at(p, norm) = 0;
    for_each_part(pieces[p], unit, [&](const UnitPart& part) { own.add(p, part, state, gradients); });
  }
  std::vector<Squares> squares(own.runs.size());
  state.device().compute().update(UpdateKernel::squares, state.type(), own.runs, squares);
  for (const auto& [p, part, begin, end] : own.parts) {
    const Squares of_part = total(std::span(squares).subspan(begin, end - begin));
    const double clip = part.whole ? factor(of_part, scale) : 1;
    for (std::size_t r = begin; r < end; ++r) own.runs[r].factor = clip;
    if (!gradients.layout().own.contains(pieces[p].lane)) continue;  // stage 0: its owner says
    if (part.whole) {
      sums.at(p, norm) += of_part.first * clip * clip;
    } else {
      sums.at(p, column_of(part, norm)) = of_part.first;
      sums.at(p, column_of(part, norm) + 1) = of_part.second;
    }
  }
  scale_runs(state, own.runs);
}

double AdaptiveClipping::clip_cut_units(LaneState& state, GradientReducer& gradients, double scale,
                                        const PerTensorSums& sums, std::size_t norm) const {
  const auto& pieces = state.plan().pieces;
  using Unit = std::pair<std::size_t, std::int64_t>;  // parameter, number
  std::map<Unit, Squares> cut;
  const auto for_each_cut = [&](const auto& each) {
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      const std::int64_t unit = units_[pieces[p].parameter];
      if (unit == 0) continue;
      for_each_part(pieces[p], unit, [&](const UnitPart& part) {
        if (!part.whole) each(p, part, Unit{pieces[p].parameter, part.unit});
      });
    }
  };
  for_each_cut([&](std::size_t p, const UnitPart& part, const Unit& unit) {
    cut[unit].first += sums.at(p, column_of(part, norm));  // in lane order
    cut[unit].second += sums.at(p, column_of(part, norm) + 1);
  });
  std::vector<UpdateRun> runs;
  for_each_cut([&](std::size_t p, const UnitPart& part, const Unit& unit) {
    if (!state.owns(pieces[p])) return;
    for (UpdateRun& run : runs_of(part, pieces[p], state, gradients)) {
      run.factor = factor(cut.at(unit), scale);
      runs.push_back(run);
    }
  });
  scale_runs(state, runs);
  double total = 0;
  for (const double square : sums.by_parameter(norm)) total += square;
  for (const auto& [unit, squares] : cut) {
    const double clip = factor(squares, scale);
    total += squares.first * clip * clip;
  }
  return total;
}

}  // namespace vitrail::sharding
