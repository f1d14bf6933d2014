"""Recording and derivatives: params, tapes, duals, transforms."""
