// Compiled once per instruction set, named by VITRAIL_ISA. So nothing here but the two tables is visible to
// the linker, and no inline function of a library is used: it would keep one instruction set's copy for all.
#include "models/kernels/talking_heads/talking_heads_kernels.hpp"

namespace vitrail::models {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

using Index = std::int64_t;

template <class Number>
struct Simd;

// For exp: kRound added to a number leaves its nearest integer in the lowest bits; the powers of e^r, |r| <=
// ln(2) / 2, are enough for the type; below kLowest the result would leave the normal numbers.
template <>
struct Simd<float> {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  typedef std::uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr float kRound = 0x1.8p23F, kLowest = -86;
  static constexpr float kLn2High = 0x1.62e4p-1F, kLn2Low = 0x1.7f7d1cp-20F;
  static constexpr int kDegree = 7, kMantissaBits = 23;
};

template <>
struct Simd<double> {
  typedef double Vector __attribute__((vector_size(kVectorBytes)));
  typedef std::uint64_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr double kRound = 0x1.8p52, kLowest = -706;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr int kDegree = 13, kMantissaBits = 52;
};

struct Whole {};  // all lanes of a vector, known when compiling; an Index counts the first lanes

template <class Number>
struct Kernels {
  using Vector = typename Simd<Number>::Vector;
  static constexpr Index kLanes = kVectorBytes / static_cast<Index>(sizeof(Number));

  // One query's rows in the maps of all heads.
  template <class Pointer>
  struct Rows {
    Pointer first;
    Index stride;  // from head to head

    Pointer of(Index head) const { return first + head * stride; }
    Rows from(Index head) const { return {of(head), stride}; }
  };
  using Input = Rows<const Number*>;
  using Output = Rows<Number*>;

  static Vector load(const Number* from, Whole) {
    Vector x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
  }
  static Vector load(const Number* from, Index lanes) {  // the others zero
    Vector x{};
    for (Index i = 0; i < lanes; ++i) x[i] = from[i];
    return x;
  }
  static void store(Number* to, const Vector& x, Whole) { __builtin_memcpy(to, &x, sizeof x); }
  static void store(Number* to, const Vector& x, Index lanes) {
    for (Index i = 0; i < lanes; ++i) to[i] = x[i];
  }
  static Vector or_else(const Vector& x, Number, Whole) { return x; }
  static Vector or_else(Vector x, Number other, Index lanes) {
    for (Index i = lanes; i < kLanes; ++i) x[i] = other;
    return x;
  }
  static Vector all(Number x) { return Vector{} + x; }

  template <class Body>
  static void over_keys(Index keys, Body body) {
    Index key = 0;
    for (; key + kLanes <= keys; key += kLanes) body(key, Whole{});
    if (key < keys) body(key, keys - key);
  }

  static Number sum_of_lanes(const Vector& x) {
    Number sum = 0;
    for (Index i = 0; i < kLanes; ++i) sum += x[i];
    return sum;
  }

  static Vector greater(const Vector& x, const Vector& y) { return x > y ? x : y; }

  // Of x <= 0. A NaN stays one.
  static Vector exp(Vector x) {
    using S = Simd<Number>;
    x = x < all(S::kLowest) ? all(S::kLowest) : x;
    const Vector rounded = x * Number(1.4426950408889634074) + S::kRound;
    const Vector n = rounded - S::kRound;
    const Vector r = (x - n * S::kLn2High) - n * S::kLn2Low;
    constexpr Series kSeries;
    Vector sum = all(kSeries.of[S::kDegree]);
    for (int power = S::kDegree; power-- > 0;) sum = sum * r + kSeries.of[power];
    return (Vector)((typename S::Bits)sum + ((typename S::Bits)rounded << S::kMantissaBits));
  }
  struct Series {  // 1 / n!
    Number of[Simd<Number>::kDegree + 1];
    constexpr Series() : of{} {
      double factorial = 1;
      for (int n = 0; n <= Simd<Number>::kDegree; ++n) {
        factorial *= n > 0 ? n : 1;
        of[n] = static_cast<Number>(1 / factorial);
      }
    }
  };

  // to[g] = bias[g] + sum over h of weight[g,h] from[h], for kOut heads g of one vector of keys.
  template <int kOut>
  static void mix_some(Index heads, const Number* weight, const Number* bias, const Vector* from,
                       Vector* to) {
    Vector sum[kOut];
    for (int g = 0; g < kOut; ++g) sum[g] = all(bias[g]);
    for (Index h = 0; h < heads; ++h) {
      const Vector x = from[h];
      for (int g = 0; g < kOut; ++g) sum[g] += weight[g * heads + h] * x;
    }
    for (int g = 0; g < kOut; ++g) to[g] = sum[g];
  }

  static void mix(Index heads, const Number* weight, const Number* bias, const Vector* from, Vector* to) {
    Index g = 0;
    for (; g + 8 <= heads; g += 8) mix_some<8>(heads, weight + g * heads, bias + g, from, to + g);
    for (; g + 4 <= heads; g += 4) mix_some<4>(heads, weight + g * heads, bias + g, from, to + g);
    for (; g < heads; ++g) mix_some<1>(heads, weight + g * heads, bias + g, from, to + g);
  }

  // sums[g,h] += a[g] b[h] summed over keys, in vectors; of kA x kB pairs of heads.
  template <int kA, int kB>
  static void add_some_products(const Input& a, const Input& b, Index keys, Vector* sums, Index heads) {
    Vector sum[kA][kB]{};
    over_keys(keys, [&](Index key, auto lanes) {
      Vector y[kB];
      for (int h = 0; h < kB; ++h) y[h] = load(b.of(h) + key, lanes);
      for (int g = 0; g < kA; ++g) {
        const Vector x = load(a.of(g) + key, lanes);
        for (int h = 0; h < kB; ++h) sum[g][h] += x * y[h];
      }
    });
    for (int g = 0; g < kA; ++g) {
      for (int h = 0; h < kB; ++h) sums[g * heads + h] += sum[g][h];
    }
  }

  template <int kA>
  static void add_products_of(const Input& a, const Input& b, Index keys, Vector* sums, Index heads) {
    Index h = 0;
    for (; h + 4 <= heads; h += 4) add_some_products<kA, 4>(a, b.from(h), keys, sums + h, heads);
    for (; h < heads; ++h) add_some_products<kA, 1>(a, b.from(h), keys, sums + h, heads);
  }

  static void add_products(const Input& a, const Input& b, Index keys, Vector* sums, Index heads) {
    Index g = 0;
    for (; g + 4 <= heads; g += 4) add_products_of<4>(a.from(g), b, keys, sums + g * heads, heads);
    for (; g < heads; ++g) add_products_of<1>(a.from(g), b, keys, sums + g * heads, heads);
  }

  // logits -> mixed probabilities of one query.
  static void forward_row(const HeadMixing<Number>& m, const Output& rows, Index keys, Number* maximum,
                          Number* inverse) {
    Vector from[kMaxTalkingHeads], to[kMaxTalkingHeads], highest[kMaxTalkingHeads];
    for (Index h = 0; h < m.heads; ++h) highest[h] = all(-__builtin_inf());
    over_keys(keys, [&](Index key, auto lanes) {
      for (Index h = 0; h < m.heads; ++h) from[h] = load(rows.of(h) + key, lanes);
      mix(m.heads, m.logits_weight, m.logits_bias, from, to);
      for (Index h = 0; h < m.heads; ++h) {
        highest[h] = greater(or_else(to[h], -__builtin_inf(), lanes), highest[h]);
        store(rows.of(h) + key, to[h], lanes);
      }
    });
    for (Index h = 0; h < m.heads; ++h) {
      maximum[h] = highest[h][0];
      for (Index i = 1; i < kLanes; ++i) maximum[h] = highest[h][i] > maximum[h] ? highest[h][i] : maximum[h];
      Vector sum{};
      over_keys(keys, [&](Index key, auto lanes) {
        const Vector e = exp(load(rows.of(h) + key, lanes) - maximum[h]);
        sum += or_else(e, 0, lanes);
        store(rows.of(h) + key, e, lanes);
      });
      inverse[h] = 1 / sum_of_lanes(sum);
    }
    over_keys(keys, [&](Index key, auto lanes) {
      for (Index h = 0; h < m.heads; ++h) from[h] = load(rows.of(h) + key, lanes) * inverse[h];
      mix(m.heads, m.weights_weight, m.weights_bias, from, to);
      for (Index h = 0; h < m.heads; ++h) store(rows.of(h) + key, to[h], lanes);
    });
  }

  static void forward(const HeadMixing<Number>& m, BlockShape shape, Number* maps, Number* row_stats) {
    for (Index query = 0; query < shape.queries; ++query) {
      Number* const stats = row_stats + query * 2 * m.heads;
      forward_row(m, {maps + query * shape.keys, shape.queries * shape.keys}, shape.keys, stats,
                  stats + m.heads);
    }
  }

  static void recompute(const HeadMixing<Number>& m, BlockShape shape, const Number* logits,
                        const Number* row_stats, Number* probabilities, Number* mixed) {
    const Index stride = shape.queries * shape.keys;
    Vector from[kMaxTalkingHeads], to[kMaxTalkingHeads];
    for (Index query = 0; query < shape.queries; ++query) {
      const Number* const maximum = row_stats + query * 2 * m.heads;
      const Number* const inverse = maximum + m.heads;
      const Index offset = query * shape.keys;
      over_keys(shape.keys, [&](Index key, auto lanes) {
        const Index at = offset + key;
        for (Index h = 0; h < m.heads; ++h) from[h] = load(logits + h * stride + at, lanes);
        mix(m.heads, m.logits_weight, m.logits_bias, from, to);
        for (Index h = 0; h < m.heads; ++h) {
          to[h] = exp(to[h] - maximum[h]) * inverse[h];
          store(probabilities + h * stride + at, to[h], lanes);
        }
        mix(m.heads, m.weights_weight, m.weights_bias, to, from);
        for (Index h = 0; h < m.heads; ++h) store(mixed + h * stride + at, from[h], lanes);
      });
    }
  }

  struct Scratch {                                               // of H heads the first H or H*H are used
    Number logits_weight[kMaxTalkingHeads * kMaxTalkingHeads];   // transposed
    Number weights_weight[kMaxTalkingHeads * kMaxTalkingHeads];  // transposed
    Number zeros[kMaxTalkingHeads];
    Vector row_products[kMaxTalkingHeads * kMaxTalkingHeads];
    Vector logits_products[kMaxTalkingHeads * kMaxTalkingHeads];
    Vector weights_products[kMaxTalkingHeads * kMaxTalkingHeads];
    Vector weights_sums[kMaxTalkingHeads];
  };

  static void start(const HeadMixing<Number>& m, Scratch& s) {
    for (Index g = 0; g < m.heads; ++g) {
      s.zeros[g] = 0;
      s.weights_sums[g] = Vector{};
      for (Index h = 0; h < m.heads; ++h) {
        s.logits_weight[h * m.heads + g] = m.logits_weight[g * m.heads + h];
        s.weights_weight[h * m.heads + g] = m.weights_weight[g * m.heads + h];
        s.logits_products[g * m.heads + h] = Vector{};
        s.weights_products[g * m.heads + h] = Vector{};
      }
    }
  }

  // The softmax takes from each head's gradient the mean under its probabilities: sum over keys of p[h] times
  // the gradient of p[h], which is the weights' column h times column h of the products this row adds to
  // their gradient.
  static void add_weight_products(const HeadMixing<Number>& m, const Input& gradient,
                                  const Input& probabilities, Index keys, Scratch& s, Number* mean) {
    for (Index i = 0; i < m.heads * m.heads; ++i) s.row_products[i] = Vector{};
    add_products(gradient, probabilities, keys, s.row_products, m.heads);
    for (Index i = 0; i < m.heads * m.heads; ++i) s.weights_products[i] += s.row_products[i];
    for (Index h = 0; h < m.heads; ++h) {
      Vector sum{};
      for (Index g = 0; g < m.heads; ++g)
        sum += m.weights_weight[g * m.heads + h] * s.row_products[g * m.heads + h];
      mean[h] = sum_of_lanes(sum);
    }
  }

  // rows: gradient of the mixed probabilities -> of the logits, of one query.
  static void backward_row(const HeadMixing<Number>& m, const Input& logits, const Input& probabilities,
                           const Output& rows, Index keys, Scratch& s) {
    const Input gradient{rows.first, rows.stride};
    Number mean[kMaxTalkingHeads];
    Vector from[kMaxTalkingHeads], to[kMaxTalkingHeads];
    add_weight_products(m, gradient, probabilities, keys, s, mean);
    over_keys(keys, [&](Index key, auto lanes) {
      for (Index h = 0; h < m.heads; ++h) {
        from[h] = load(rows.of(h) + key, lanes);
        s.weights_sums[h] += from[h];
      }
      mix(m.heads, s.weights_weight, s.zeros, from, to);
      for (Index h = 0; h < m.heads; ++h) {
        store(rows.of(h) + key, load(probabilities.of(h) + key, lanes) * (to[h] - mean[h]), lanes);
      }
    });
    add_products(gradient, logits, keys, s.logits_products, m.heads);
    over_keys(keys, [&](Index key, auto lanes) {
      for (Index h = 0; h < m.heads; ++h) from[h] = load(rows.of(h) + key, lanes);
      mix(m.heads, s.logits_weight, s.zeros, from, to);
      for (Index h = 0; h < m.heads; ++h) store(rows.of(h) + key, to[h], lanes);
    });
  }

  static void backward(const HeadMixing<Number>& m, BlockShape shape, const Number* logits,
                       const Number* probabilities, Number* gradient, const HeadMixingSums& sums,
                       std::byte* scratch) {
    Scratch& s = *reinterpret_cast<Scratch*>(scratch);
    start(m, s);
    const Index stride = shape.queries * shape.keys;
    for (Index at = 0; at < stride; at += shape.keys)
      backward_row(m, {logits + at, stride}, {probabilities + at, stride}, {gradient + at, stride},
                   shape.keys, s);
    for (Index i = 0; i < m.heads * m.heads; ++i) {
      sums.logits_weight[i] += sum_of_lanes(s.logits_products[i]);
      sums.weights_weight[i] += sum_of_lanes(s.weights_products[i]);
    }
    for (Index h = 0; h < m.heads; ++h) sums.weights_bias[h] += sum_of_lanes(s.weights_sums[h]);
  }

  static constexpr TalkingHeadsKernels<Number> kTable{forward, recompute, backward, sizeof(Scratch)};
};

}  // namespace

const TalkingHeadsTable VITRAIL_ISA::kTalkingHeads{Kernels<float>::kTable, Kernels<double>::kTable};

}  // namespace vitrail::models
