/* Memory of one thread, kept from one table to the next: new memory, page by page, takes longer than the work. */

#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

class Space {
  public:
    // `count` values that hold anything; the k-th call after `reset` gets the k-th block again where that is enough.
    template <class T> T *take(size_t count) {
        const size_t bytes = (count * sizeof(T) + 63) / 64 * 64 + 64;
        if (next_ == blocks_.size())
            blocks_.emplace_back();
        Block &block = blocks_[next_++];
        if (block.size < bytes) {
            block.memory.reset(new char[bytes + 64]);
            block.size = bytes;
        }
        char *start = block.memory.get();
        return reinterpret_cast<T *>(start + (64 - reinterpret_cast<size_t>(start) % 64) % 64);
    }

    void reset() { next_ = 0; }

    // A place to go back to: what was taken before stays.
    size_t mark() const { return next_; }
    void back_to(size_t mark) { next_ = mark; }

    // Give back all memory if it is much.
    void settle() {
        size_t total = 0;
        for (const Block &block : blocks_)
            total += block.size;
        if (total > MOST)
            blocks_.clear();
        next_ = 0;
    }

  private:
    static constexpr size_t MOST = size_t{1} << 26;
    struct Block {
        std::unique_ptr<char[]> memory;
        size_t size = 0;
    };
    std::vector<Block> blocks_;
    size_t next_ = 0;
};
