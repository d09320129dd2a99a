/* All stages, in the order in which they build on each other. */

#include "counts.h"

#include "linear.h"

#include "copula.h"

#include "canonical.h"

#include "neighbours.h"

#include "pairs.h"

#include "features.h"

#include "summary.h"
