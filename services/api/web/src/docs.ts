/** The REST API's documentation: Swagger UI around the router's own OpenAPI document. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUI({ dom_id: "#docs", url: "/api/openapi.json", deepLinking: true, validatorUrl: null });
