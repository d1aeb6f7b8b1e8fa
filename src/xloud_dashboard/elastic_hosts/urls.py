# SPDX-License-Identifier: Apache-2.0
"""The address of the panel."""

from django.urls import path

from xloud_dashboard.elastic_hosts.views import IndexView

urlpatterns = [path("", IndexView.as_view(), name="index")]
