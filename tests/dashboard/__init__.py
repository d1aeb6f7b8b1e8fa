"""The Horizon plugin in Horizon's own test harness: `make dashboard-tests`. Needs Horizon."""
